/* launcher/desired.c: from the workspace to what is wanted. See launcher.h.
 *
 * Everything that decides how many servers there are is here: the allowed lists, TTLs and
 * max_servers (policy.c judges). It is done again when a request wakes a location and
 * when a TTL is over.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "daglet/state.h"
#include "dagster/error.h"
#include "dagster/workspace.h"
#include "launcher/launcher.h"
#include "log/log.h"
#include "json/splice.h"
#include "json/write.h"

static uint64_t
hash(struct dg_str s)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211ull;
	return h;
}

void
dg_desired_version(struct dg_str metadata, struct dg_loc_version *v)
{
	auto_buf rest = DG_BUF_INIT;

	dg_json_delete(metadata, "defs_state_info", &rest);
	v->meta = hash(metadata);
	v->rest = hash(dg_buf_str(&rest));
}

/* One entry is wanted as it is; not FRESH: unless a newer version is known already. */
static void
want(struct dg_launcher *l, const struct dg_workspace_deployment *d,
	const struct dg_workspace_entry *en, bool upload, bool fresh)
{
	struct dg_place *p =
		dg_place_get(l, dg_str(d->name), dg_str(en->location), d->branch);
	struct dg_loc_event ev = {
		.type = DG_LOC_WANT,
		.upload = upload,
		.healthy = !en->load_error && !en->outdated,
		.ailing = en->load_error && !en->outdated,
	};

	p->keep = true;
	if (en->error.cls) {
		char text[1280];

		dg_err_text(&en->error, text, sizeof(text));
		if (dg_str_is(dg_buf_str(&p->bad), text))
			return;
		dg_buf_reset(&p->bad);
		dg_buf_adds(&p->bad, text);
		dg_buf_reset(&p->error);
		dg_error_add(&p->error, DG_CLS_DESERIALIZE, dg_str(text), DG_STR_NULL);
		dg_logkv(LOG_ERR, DG_KV({"dep", p->deployment}, {"loc", p->location}),
			"the workspace's entry cannot be understood: %s", text);
		dg_relay_released(p);
		dg_report_place(p);
		return;
	}
	if (p->bad.n) {
		dg_buf_reset(&p->bad);
		dg_buf_reset(&p->error);
	}
	ev.version.timestamp = en->timestamp;
	dg_desired_version(dg_str(en->metadata.text), &ev.version);
	if (!fresh && p->loc.wanted && p->loc.want.timestamp > ev.version.timestamp)
		return;
	dg_buf_reset(&p->metadata);
	dg_buf_adds(&p->metadata, en->metadata.text);
	dg_place_event(p, &ev);
}

static void
not_allowed(struct dg_launcher *l, const struct dg_workspace_deployment *d,
	const struct dg_workspace_entry *en)
{
	auto_buf key = DG_BUF_INIT;

	if (dg_map_put(&l->skipped,
		    dg_place_key(&key, dg_str(d->name), dg_str(en->location)), l))
		return; /* said before */
	dg_logkv(LOG_ERR, DG_KV({"dep", d->name}, {"loc", en->location}),
		"the location is skipped: it is not in the allowed locations list; "
		"either "
		"use another queue in its dagster_cloud.yaml, or add it to the agent's "
		"list");
}

static void
deployments(struct dg_launcher *l, const struct dg_workspace *ws)
{
	struct dg_map now = DG_MAP_INIT;

	for (size_t i = 0; i < ws->deployment_n; i++) {
		const struct dg_workspace_deployment *d = &ws->deployments[i];
		const char *kind = d->branch ? "branch" : "full";
		const char *was = dg_map_get(&l->deployments, dg_str(d->name));

		dg_map_put(&now, dg_str(d->name), (void *)(uintptr_t)kind);
		if (!was || strcmp(was, kind) != 0)
			dg_report_deployment(l, d->name, d->branch);
	}
	DG_MAP_EACH(&l->deployments, s)
	if (!dg_map_get(&now, dg_strn(s->key, s->n)))
		dg_report_gone(l, DG_STATE_DEPLOYMENT, s->key);
	dg_map_clear(&l->deployments);
	l->deployments = now;
}

static int
on_reconsider(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_launcher *l = arg;

	(void)s;
	(void)usec;
	dg_desired_again(l);
	return 0;
}

/* Judge again when the next TTL is over. */
static void
rearm(struct dg_launcher *l)
{
	dg_usec due = dg_policy_due(&l->policy);

	if (due != DG_USEC_NEVER)
		dg_launcher_timer(l, &l->reconsider, due + DG_SEC / 2, DG_SEC / 2,
			on_reconsider, l);
}

static void
tell_ttl(struct dg_launcher *l, const struct dg_map *wanted)
{
	struct dg_map names = DG_MAP_INIT;
	auto_buf text = DG_BUF_INIT;
	struct dg_msg_ttl_deployments m;

	DG_MAP_EACH(wanted, s)
	{
		const struct dg_use *u = s->value;

		if (!dg_map_put(&names, u->deployment, l))
			dg_buf_addf(&text, "%.*s\n", DG_FMT(u->deployment));
	}
	dg_map_clear(&names);
	rearm(l);
	if (dg_str_eq(dg_buf_str(&text), dg_buf_str(&l->ttl_names)))
		return;
	dg_buf_reset(&l->ttl_names);
	dg_buf_addstr(&l->ttl_names, dg_buf_str(&text));
	m.names = DG_BODY_STR(dg_buf_str(&text));
	dg_worker_send(l->w, DG_MSG_TTL_DEPLOYMENTS, 0, &m);
}

static void
apply(struct dg_launcher *l, const struct dg_workspace *ws, bool first, bool fresh)
{
	struct dg_map wanted = DG_MAP_INIT;
	auto_buf key = DG_BUF_INIT;

	deployments(l, ws);
	dg_policy_wanted(&l->policy, dg_now(), &wanted);
	dg_map_clear(&l->listed);
	DG_MAP_EACH(&l->places, s)
	((struct dg_place *)s->value)->keep = false;
	for (size_t i = 0; i < ws->entry_n; i++) {
		const struct dg_workspace_entry *en = &ws->entries[i];
		const struct dg_workspace_deployment *d =
			&ws->deployments[en->deployment];
		struct dg_str k =
			dg_place_key(&key, dg_str(d->name), dg_str(en->location));
		const struct dg_place *p = dg_map_get(&l->places, k);

		if (!dg_policy_allowed(&l->policy, dg_str(d->name), dg_str(en->location),
			    d->branch)) {
			not_allowed(l, d, en);
			continue;
		}
		dg_map_put(&l->listed, k, l);
		if (!dg_policy_ttl(&l->policy, d->branch) || dg_map_get(&wanted, k) ||
			(p && (p->upload || p->loc.upload)))
			want(l, d, en, first && en->outdated && l->tuning.upload_on_start,
				fresh);
	}
	DG_MAP_EACH(&l->places, s)
	{
		struct dg_place *p = s->value;

		if (!p->keep && (p->loc.wanted || p->loc.cur.serial))
			dg_place_event(p, &(struct dg_loc_event){.type = DG_LOC_UNWANT});
		else if (!p->keep)
			p->gone |= !p->nheld;
	}
	dg_place_sweep(l);
	tell_ttl(l, &wanted);
	dg_map_clear(&wanted);
	dg_relay_unknown(l);
}

void
dg_desired(struct dg_launcher *l, struct dg_str body)
{
	struct dg_workspace *ws = NULL;
	struct dg_err e = {0};
	bool first = !l->desired_seen;

	if (dg_workspace_parse(body, &ws, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		return;
	}
	if (ws->skipped)
		dg_log_err(LOG_ERR, &ws->skipped_why, NULL);
	dg_buf_reset(&l->workspace);
	dg_buf_addstr(&l->workspace, body);
	l->desired_seen = true;
	apply(l, ws, first, true);
	dg_workspace_free(ws);
	dg_report_role(l);
}

void
dg_desired_again(struct dg_launcher *l)
{
	struct dg_workspace *ws = NULL;
	struct dg_err e = {0};
	struct dg_map wanted = DG_MAP_INIT;

	if (!l->desired_seen) {
		dg_policy_wanted(&l->policy, dg_now(), &wanted);
		tell_ttl(l, &wanted);
		dg_map_clear(&wanted);
		return;
	}
	if (dg_workspace_parse(dg_buf_str(&l->workspace), &ws, &e) < 0)
		return;
	apply(l, ws, false, false);
	dg_workspace_free(ws);
}

void
dg_workspace_variables(
	const struct dg_settings *s, const char *deployment, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_key(&w, "deploymentNames");
	dg_jw_open_array(&w);
	dg_jw_str(&w, deployment);
	dg_jw_close_array(&w);
	dg_jw_kbool(&w, "includeAllServerlessDeployments", false);
	dg_jw_key(&w, "agentQueues");
	dg_jw_open_array(&w);
	for (size_t i = 0; i < dg_settings_count(s, "queues"); i++)
		dg_jw_str(
			&w, dg_settings_item(s, "queues", i)); /* NULL: the default one */
	dg_jw_close_array(&w);
	dg_jw_close_object(&w);
}

int
dg_desired_check(struct dg_launcher *l, const char *deployment, struct dg_str body,
	struct dg_err *e)
{
	struct dg_workspace *ws = NULL;
	int r = dg_workspace_parse(body, &ws, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ws->entry_n; i++) {
		const struct dg_workspace_entry *en = &ws->entries[i];
		const struct dg_workspace_deployment *d =
			&ws->deployments[en->deployment];

		if (strcmp(d->name, deployment) != 0)
			continue;
		if (!dg_policy_allowed(&l->policy, dg_str(d->name), dg_str(en->location),
			    d->branch)) {
			not_allowed(l, d, en);
			continue;
		}
		if (!en->outdated)
			continue;
		dg_policy_use(&l->policy, dg_str(d->name), dg_str(en->location),
			d->branch, 0, dg_now());
		want(l, d, en, true, true);
		l->looks = 2;
	}
	dg_workspace_free(ws);
	return 0;
}

void
dg_desired_use(struct dg_launcher *l, const struct dg_request *r, int pending)
{
	auto_buf key = DG_BUF_INIT;
	const struct dg_place *p;

	if (!r->location[0])
		return;
	dg_policy_use(&l->policy, dg_str(r->deployment), dg_str(r->location), r->branch,
		pending, dg_now());
	if (!dg_policy_ttl(&l->policy, r->branch))
		return;
	if (pending <= 0) {
		rearm(l);
		return;
	}
	p = dg_map_get(&l->places,
		dg_place_key(&key, dg_str(r->deployment), dg_str(r->location)));
	if (!p || !p->loc.wanted)
		dg_desired_again(l); /* it wakes */
}
