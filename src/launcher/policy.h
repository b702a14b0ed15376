/* launcher/policy.h: which locations are served here at all, and which servers are kept
 * while nobody asks for them. Pure.
 *
 * Allowed: allowed_full_deployment_locations, allowed_branch_deployment_locations. TTL:
 * branch deployments always have one, full ones where server_ttl says so; a location with
 * a TTL is wanted while a request waits for it or the last one is younger than the TTL,
 * the youngest `max_servers` of them. Source: release 1.13.27, agent and
 * user_code_launcher.
 */
#ifndef DG_LAUNCHER_POLICY_H
#define DG_LAUNCHER_POLICY_H

#include <stdbool.h>

#include "base/map.h"
#include "base/str.h"
#include "base/time.h"
#include "config/settings.h"

struct dg_policy {
	bool full_ttl;
	dg_usec full_life, branch_life;
	unsigned max_servers;
	/* Where a list is absent everything is allowed. */
	bool branch_listed;
	struct dg_map branch; /* location -> something */
	struct dg_map listed; /* deployment -> something */
	struct dg_map full;   /* deployment \n location -> something */
	struct dg_map used;   /* deployment \n location -> struct dg_use */
};

/* When a location with a TTL was last asked for, and how many requests wait for it. */
struct dg_use {
	struct dg_str deployment, location; /* into the map's key */
	bool branch;
	dg_usec last;
	unsigned pending;
};

void dg_policy_init(struct dg_policy *p, const struct dg_settings *s);
void dg_policy_clear(struct dg_policy *p);
/* Other settings; who was used when is still known. */
void dg_policy_reload(struct dg_policy *p, const struct dg_settings *s);

bool dg_policy_allowed(const struct dg_policy *p, struct dg_str deployment,
	struct dg_str location, bool branch);
bool dg_policy_ttl(const struct dg_policy *p, bool branch);

/* A request came (or an outdated location was seen): the clock starts anew. PENDING is
 * added to those that wait. */
void dg_policy_use(struct dg_policy *p, struct dg_str deployment, struct dg_str location,
	bool branch, int pending, dg_usec now);

/* The locations with a TTL that are wanted now, best first, into RET (deployment \n
 * location -> struct dg_use), which is cleared first; forgets those whose time is over.
 * Returns how many were left out for `max_servers`. */
unsigned dg_policy_wanted(struct dg_policy *p, dg_usec now, struct dg_map *ret);
/* When the next one's time is over, or DG_USEC_NEVER. */
dg_usec dg_policy_due(const struct dg_policy *p);

/* "deployment\nlocation" into BUF. */
struct dg_str dg_place_key(
	struct dg_buf *buf, struct dg_str deployment, struct dg_str location);

#endif
