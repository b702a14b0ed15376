/* status/show.h: what is known, as JSON documents for programs. Pure.
 *
 * Bodies of states go out as the other roles wrote them (daglet/state.h), with the key
 * they were said under put in front: "server" of servers, "run_id" of runs.
 */
#ifndef DG_STATUS_SHOW_H
#define DG_STATUS_SHOW_H

#include "base/str.h"
#include "base/time.h"
#include "status/health.h"
#include "status/mirror.h"

/* {"daglet", "agent", "time", "health", "roles", "deployments", "locations", "servers",
 * "runs"}. "roles" are the master's rows with "role", "inst" and, where the role counts
 * something, "counters"; roles that only the ledger knows have nothing but these. */
void dg_show_status(const struct dg_mirror *m, const struct dg_health *h, dg_usec now,
	int64_t wall, struct dg_buf *out);
/* {"locations": [...], "servers": [...]} */
void dg_show_locations(const struct dg_mirror *m, struct dg_buf *out);
/* {"runs": [...]} */
void dg_show_runs(const struct dg_mirror *m, struct dg_buf *out);
/* {"ready": bool, "alive": bool, "reasons": [...], "warnings": [...]} */
void dg_show_health(const struct dg_health *h, struct dg_buf *out);

#endif
