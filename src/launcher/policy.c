/* launcher/policy.c: see policy.h. */
#include "launcher/policy.h"

#include <stdlib.h>

#include "base/mem.h"

#define CONFIG "user_code_launcher.config."

struct dg_str
dg_place_key(struct dg_buf *buf, struct dg_str deployment, struct dg_str location)
{
	dg_buf_reset(buf);
	dg_buf_addstr(buf, deployment);
	dg_buf_addc(buf, '\n');
	dg_buf_addstr(buf, location);
	return dg_buf_str(buf);
}

static dg_usec
seconds(const struct dg_settings *s, const char *key, int64_t otherwise)
{
	int64_t n = dg_settings_has(s, key) ? dg_settings_int(s, key) : otherwise;

	return n > 0 ? (dg_usec)n * DG_SEC : 0;
}

void
dg_policy_init(struct dg_policy *p, const struct dg_settings *s)
{
	auto_buf key = DG_BUF_INIT;
	int64_t max = 25;

	*p = (struct dg_policy){.branch = DG_MAP_INIT,
		.listed = DG_MAP_INIT,
		.full = DG_MAP_INIT,
		.used = DG_MAP_INIT};
	p->full_ttl = dg_settings_has(s, CONFIG "server_ttl.enabled")
			      ? dg_settings_bool(s, CONFIG "server_ttl.enabled")
			      : dg_settings_bool(
					s, CONFIG "server_ttl.full_deployments.enabled");
	p->full_life =
		seconds(s, CONFIG "server_ttl.full_deployments.ttl_seconds", 86400);
	if (dg_settings_has(s, CONFIG "server_ttl.ttl_seconds"))
		p->full_life = seconds(s, CONFIG "server_ttl.ttl_seconds", 86400);
	p->branch_life =
		seconds(s, CONFIG "server_ttl.branch_deployments.ttl_seconds", 86400);
	if (dg_settings_has(s, CONFIG "server_ttl.max_servers"))
		max = dg_settings_int(s, CONFIG "server_ttl.max_servers");
	p->max_servers = max > 0 ? (unsigned)max : 0;

	p->branch_listed = dg_settings_has(s, "allowed_branch_deployment_locations");
	for (size_t i = 0;
		i < dg_settings_count(s, "allowed_branch_deployment_locations"); i++)
		dg_map_put(&p->branch,
			dg_str(dg_settings_item(
				s, "allowed_branch_deployment_locations", i)),
			p);
	for (size_t i = 0; i < dg_settings_count(s, "allowed_full_deployment_locations");
		i++) {
		const char *dep =
			dg_settings_name(s, "allowed_full_deployment_locations", i);
		auto_free char *list =
			dg_xasprintf("allowed_full_deployment_locations.%s", dep);

		dg_map_put(&p->listed, dg_str(dep), p);
		for (size_t k = 0; k < dg_settings_count(s, list); k++)
			dg_map_put(&p->full,
				dg_place_key(&key, dg_str(dep),
					dg_str(dg_settings_item(s, list, k))),
				p);
	}
}

void
dg_policy_reload(struct dg_policy *p, const struct dg_settings *s)
{
	struct dg_map used = p->used;

	p->used = DG_MAP_INIT;
	dg_policy_clear(p);
	dg_policy_init(p, s);
	p->used = used;
}

void
dg_policy_clear(struct dg_policy *p)
{
	DG_MAP_EACH(&p->used, slot)
	free(slot->value);
	dg_map_clear(&p->branch);
	dg_map_clear(&p->listed);
	dg_map_clear(&p->full);
	dg_map_clear(&p->used);
}

bool
dg_policy_allowed(const struct dg_policy *p, struct dg_str deployment,
	struct dg_str location, bool branch)
{
	auto_buf key = DG_BUF_INIT;

	if (branch)
		return !p->branch_listed || dg_map_get(&p->branch, location);
	return !dg_map_get(&p->listed, deployment) ||
	       dg_map_get(&p->full, dg_place_key(&key, deployment, location));
}

bool
dg_policy_ttl(const struct dg_policy *p, bool branch)
{
	return branch || p->full_ttl;
}

void
dg_policy_use(struct dg_policy *p, struct dg_str deployment, struct dg_str location,
	bool branch, int pending, dg_usec now)
{
	auto_buf key = DG_BUF_INIT;
	struct dg_use *u;

	if (!dg_policy_ttl(p, branch))
		return;
	u = dg_map_get(&p->used, dg_place_key(&key, deployment, location));
	if (!u) {
		u = dg_new(struct dg_use);
		dg_map_put(&p->used, dg_buf_str(&key), u);
	}
	u->branch = branch;
	if (pending >= 0)
		u->last = now;
	if (pending < 0 && u->pending < (unsigned)-pending)
		u->pending = 0;
	else
		u->pending = (unsigned)((int)u->pending + pending);
}

static int
by_age(const void *a, const void *b)
{
	const struct dg_use *x = *(struct dg_use *const *)a;
	const struct dg_use *y = *(struct dg_use *const *)b;

	if (!x->pending != !y->pending)
		return x->pending ? -1 : 1;
	return x->last == y->last ? 0 : x->last > y->last ? -1 : 1;
}

unsigned
dg_policy_wanted(struct dg_policy *p, dg_usec now, struct dg_map *ret)
{
	size_t n = 0, pending = 0, keep;
	auto_free struct dg_use **all =
		dg_xcalloc(dg_map_count(&p->used) + 1, sizeof(*all));
	auto_buf key = DG_BUF_INIT;

	dg_map_clear(ret);
	DG_MAP_EACH(&p->used, slot)
	{
		struct dg_use *u = slot->value;
		const char *cut = memchr(slot->key, '\n', slot->n);

		if (!u->pending &&
			now - u->last >= (u->branch ? p->branch_life : p->full_life)) {
			dg_map_del(&p->used, dg_strn(slot->key, slot->n));
			free(u);
			continue;
		}
		u->deployment = dg_strn(slot->key, (size_t)(cut - slot->key));
		u->location = dg_strn(cut + 1, slot->n - u->deployment.n - 1);
		all[n++] = u;
		pending += u->pending > 0;
	}
	qsort(all, n, sizeof(*all), by_age);
	/* those that are waited for are never left out */
	keep = pending > p->max_servers ? pending : p->max_servers;
	for (size_t i = 0; i < n && i < keep; i++)
		dg_map_put(ret, dg_place_key(&key, all[i]->deployment, all[i]->location),
			all[i]);
	return n > keep ? (unsigned)(n - keep) : 0;
}

dg_usec
dg_policy_due(const struct dg_policy *p)
{
	dg_usec due = DG_USEC_NEVER;

	DG_MAP_EACH(&p->used, slot)
	{
		const struct dg_use *u = slot->value;
		dg_usec at = u->last + (u->branch ? p->branch_life : p->full_life);

		if (!u->pending && at < due)
			due = at;
	}
	return due;
}
