/* poller/workspace.c: the instance that asks which deployments and locations there are.
 *
 * At its start it checks that the configured deployments exist (an answer that says no is
 * a configuration error; no answer is waited for). Then it asks every five seconds, with
 * the whole list of queues, and passes on what has changed. A failed poll changes
 * nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/map.h"
#include "base/mem.h"
#include "cloud/documents.h"
#include "log/log.h"
#include "poller/poller.h"
#include "json/json.h"
#include "json/write.h"

#define POLL_EVERY (5 * DG_SEC)
#define SOONEST (200 * DG_MSEC)
#define TROUBLE_MAX (10 * DG_SEC)

enum step { STEP_ADOPT, STEP_CHECK, STEP_POLL };

struct workspace {
	struct dg_worker *w;
	struct dg_cloud *cloud;
	struct dg_cloud_channel *channel;
	sd_event_source *timer;
	struct dg_backoff trouble;
	enum step step;
	struct dg_cloud_call *call;
	bool again; /* asked for while a poll was under way */
	dg_usec last_start;
	struct dg_map names; /* configured deployments, or the one adopted */
	struct dg_buf ttl;   /* further ones, one per line */
	struct dg_buf queues, variables;
	struct dg_buf answer, scope; /* the last ones */
	uint64_t answer_wall;
	bool failing;
};

static void ask(struct workspace *ws);

static void
later(struct workspace *ws, dg_usec wait)
{
	sd_event_source_set_time(ws->timer, dg_now() + wait);
	sd_event_source_set_enabled(ws->timer, SD_EVENT_ONESHOT);
}

static void
add_name(struct workspace *ws, struct dg_str name)
{
	static int there;

	if (name.n)
		dg_map_put(&ws->names, name, &there);
}

/* Configured names, then those of TTL deployments that are not among them. */
static void
names_json(struct workspace *ws, bool with_ttl, struct dg_buf *out)
{
	auto_buf lines = DG_BUF_INIT;
	struct dg_str left = dg_buf_str(&ws->ttl);

	DG_MAP_EACH(&ws->names, s)
	{
		dg_buf_add(&lines, s->key, s->n);
		dg_buf_addc(&lines, '\n');
	}
	while (with_ttl && left.n) {
		size_t n = 0;

		while (n < left.n && left.p[n] != '\n')
			n++;
		if (!dg_map_get(&ws->names, dg_strn(left.p, n))) {
			dg_buf_add(&lines, left.p, n);
			dg_buf_addc(&lines, '\n');
		}
		n += n < left.n;
		left.p += n;
		left.n -= n;
	}
	dg_poller_names_json(dg_buf_str(&lines), out);
}

static void
pass_on(struct workspace *ws)
{
	struct dg_msg_workspace m = {
		ws->answer_wall, DG_BODY_STR(dg_buf_str(&ws->answer))};

	dg_worker_send(ws->w, DG_MSG_SCOPE, 0,
		&(struct dg_msg_scope){DG_BODY_STR(dg_buf_str(&ws->scope))});
	dg_worker_send(ws->w, DG_MSG_WORKSPACE, 0, &m);
}

/* The answer to the poll. */
static void
on_workspace(struct workspace *ws, struct dg_buf *body)
{
	struct dg_str deployments, one;
	struct dg_json_iter it;
	auto_buf scope = DG_BUF_INIT;
	bool same;

	ws->answer_wall = (uint64_t)dg_wall_usec();
	if (!dg_json_path(dg_buf_str(body), &deployments, "data", "deployments", NULL) ||
		dg_json_type(deployments) != DG_JSON_ARRAY) {
		dg_log(LOG_ERR, "the control plane's answer has no list of deployments");
		return;
	}
	it = dg_json_iter(deployments);
	while (dg_json_next_item(&it, &one)) {
		auto_free char *name = dg_json_member_dup(one, "deploymentName");
		bool branch = false;

		(void)dg_json_member_bool(one, "isBranchDeployment", &branch);
		if (name && !branch)
			dg_buf_addf(&scope, "%s\n", name);
	}
	same = dg_str_eq(dg_buf_str(body), dg_buf_str(&ws->answer));
	if (same) {
		dg_worker_send(ws->w, DG_MSG_UNCHANGED, 0,
			&(struct dg_msg_unchanged){ws->answer_wall});
		return;
	}
	dg_buf_clear(&ws->answer);
	ws->answer = *body;
	*body = DG_BUF_INIT;
	dg_buf_clear(&ws->scope);
	ws->scope = scope;
	scope = DG_BUF_INIT;
	pass_on(ws);
}

/* No deployment is configured: the token belongs to one. */
static void
on_adopt(struct workspace *ws, struct dg_str body)
{
	auto_buf name = DG_BUF_INIT;
	struct dg_str v;

	if (!dg_json_path(body, &v, "data", "deploymentInfo", "deploymentName", NULL) ||
		!dg_json_decode(v, &name) || !name.n) {
		dg_log(LOG_ERR, "the control plane names no deployment for this token");
		return;
	}
	add_name(ws, dg_buf_str(&name));
	dg_log(LOG_NOTICE, "agent is serving: %s", name.p);
	ws->step = STEP_POLL;
}

/* Every configured name must be among the answer's. */
static void
on_check(struct workspace *ws, struct dg_str body)
{
	struct dg_map there = DG_MAP_INIT;
	auto_buf missing = DG_BUF_INIT;
	auto_buf all = DG_BUF_INIT;
	struct dg_str list, one;
	struct dg_json_iter it;

	if (!dg_json_path(body, &list, "data", "deployments", NULL)) {
		dg_log(LOG_ERR, "the control plane's answer has no list of deployments");
		return;
	}
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &one)) {
		auto_free char *name = dg_json_member_dup(one, "deploymentName");

		if (name)
			dg_map_put(&there, dg_str(name), &there);
	}
	DG_MAP_EACH(&ws->names, s)
	{
		struct dg_str name = dg_strn(s->key, s->n);
		struct dg_buf *to = dg_map_get(&there, name) ? &all : &missing;

		dg_buf_addf(to, "%s%.*s", to->n ? ", " : "", DG_FMT(name));
	}
	dg_map_clear(&there);
	if (missing.n) {
		dg_log(LOG_ERR,
			"Agent is configured to serve an invalid deployment(s) %s. Check "
			"your "
			"agent configuration to make sure it is serving the correct "
			"deployment.",
			missing.p);
		dg_worker_exit(ws->w, DG_EXIT_CONFIG);
		return;
	}
	dg_log(LOG_NOTICE, "agent is serving: %s", dg_buf_str(&all).p);
	ws->step = STEP_POLL;
}

static void
on_done(struct dg_cloud_result *r, void *arg)
{
	struct workspace *ws = arg;
	enum step before = ws->step;
	dg_usec wait;

	ws->call = NULL;
	if (ws->w->quiescing) {
		dg_worker_done(ws->w);
		return;
	}
	if (r->cls) {
		wait = dg_backoff_fail(&ws->trouble);
		if (!ws->failing)
			dg_log(LOG_WARNING, "cannot ask for the workspace: %s", r->text);
		ws->failing = true;
		dg_worker_say(ws->w, "no answer: %.200s", r->text);
		later(ws, r->wait > wait ? r->wait : wait);
		return;
	}
	if (ws->failing)
		dg_log(LOG_NOTICE, "the control plane answers again");
	ws->failing = false;
	dg_backoff_reset(&ws->trouble);
	dg_worker_success(ws->w);
	dg_worker_say(ws->w, "the control plane answers");
	if (ws->step == STEP_ADOPT)
		on_adopt(ws, dg_buf_str(&r->body));
	else if (ws->step == STEP_CHECK)
		on_check(ws, dg_buf_str(&r->body));
	else
		on_workspace(ws, &r->body);
	later(ws, ws->step != before ? 0 : ws->again ? SOONEST : POLL_EVERY);
	ws->again = false;
}

static void
ask(struct workspace *ws)
{
	struct dg_cloud_spec spec = {
		.how = DG_CALL_GRAPHQL,
		.scope = DG_SCOPE_ORGANIZATION,
		.body_n = 1,
		.policy = DG_RETRY_NONE, /* the next poll is the next try */
		.idempotent = true,
		.done = on_done,
		.arg = ws,
	};

	if (ws->call || ws->w->quiescing)
		return;
	dg_buf_reset(&ws->variables);
	switch (ws->step) {
	case STEP_ADOPT:
		spec.scope = DG_SCOPE_DEPLOYMENT;
		spec.document = dg_doc_deployment_info;
		dg_buf_adds(&ws->variables, "{}");
		break;
	case STEP_CHECK:
		spec.document = dg_doc_deployments;
		dg_buf_adds(&ws->variables, "{\"deploymentNames\": ");
		names_json(ws, false, &ws->variables);
		dg_buf_adds(&ws->variables, "}");
		break;
	case STEP_POLL:
		if (!dg_map_count(&ws->names) && !ws->ttl.n) {
			auto_buf empty = DG_BUF_INIT;

			/* A branch agent without work: nothing is wanted, nobody is
			 * asked. */
			dg_buf_adds(&empty, "{\"data\": {\"deployments\": []}}");
			on_workspace(ws, &empty);
			later(ws, POLL_EVERY);
			return;
		}
		spec.document = dg_doc_workspace;
		dg_buf_adds(&ws->variables, "{\"deploymentNames\": ");
		names_json(ws, true, &ws->variables);
		dg_buf_addf(&ws->variables,
			", \"includeAllServerlessDeployments\": false, \"agentQueues\": "
			"%s}",
			dg_buf_str(&ws->queues).p);
		break;
	}
	spec.body[0] = dg_buf_str(&ws->variables);
	ws->call = dg_cloud_start(ws->channel, &spec);
}

static int
on_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	ask(arg);
	return 0;
}

static int
workspace_setup(struct dg_worker *w, struct dg_err *e)
{
	struct workspace *ws = dg_new(struct workspace);
	size_t n = dg_settings_count(w->settings, "deployments");
	int r;

	w->data = ws;
	ws->w = w;
	ws->names = DG_MAP_INIT;
	for (size_t i = 0; i < n; i++)
		add_name(ws, dg_str(dg_settings_item(w->settings, "deployments", i)));
	if (n)
		ws->step = STEP_CHECK;
	else if (dg_settings_bool(w->settings, "dagster_cloud_api.branch_deployments") ||
		 dg_settings_bool(
			 w->settings, "dagster_cloud_api.all_serverless_deployments"))
		ws->step = STEP_POLL;
	else
		ws->step = STEP_ADOPT;
	dg_poller_queues_json(w->settings, &ws->queues);
	dg_backoff_init(&ws->trouble, DG_SEC / 2, TROUBLE_MAX);
	r = dg_cloud_new(&ws->cloud, w->event, w->settings, e);
	if (r == 0)
		r = dg_cloud_channel_new(&ws->channel, ws->cloud, 1, e);
	if (r < 0)
		return r;
	r = sd_event_add_time(
		w->event, &ws->timer, CLOCK_MONOTONIC, 0, 10 * DG_MSEC, on_timer, ws);
	return r < 0 ? dg_fail(e, DG_TRANSPORT, -r, "cannot make a timer") : 0;
}

static void
workspace_linked(struct dg_worker *w)
{
	struct workspace *ws = w->data;

	dg_worker_send(w, DG_MSG_HAVE_END, 0, NULL);
	if (ws->answer.n)
		pass_on(ws);
}

static void
workspace_message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct workspace *ws = w->data;
	const struct dg_msg_ttl_deployments *m = payload;

	(void)id;
	if (type != DG_MSG_TTL_DEPLOYMENTS ||
		dg_str_eq(dg_strn(m->names.p, m->names.n), dg_buf_str(&ws->ttl)))
		return;
	dg_buf_reset(&ws->ttl);
	dg_buf_add(&ws->ttl, m->names.p, m->names.n);
	if (ws->call)
		ws->again = true;
	else if (ws->step == STEP_POLL)
		later(ws, SOONEST);
}

static void
workspace_quiesce(struct dg_worker *w)
{
	struct workspace *ws = w->data;

	if (ws->call)
		dg_cloud_cancel(ws->call); /* a question can be asked again */
	ws->call = NULL;
	dg_worker_done(w);
}

static void
workspace_teardown(struct dg_worker *w)
{
	struct workspace *ws = w->data;

	dg_cloud_free(ws->cloud);
	sd_event_source_disable_unref(ws->timer);
	dg_map_clear(&ws->names);
	dg_buf_clear(&ws->ttl);
	dg_buf_clear(&ws->queues);
	dg_buf_clear(&ws->variables);
	dg_buf_clear(&ws->answer);
	dg_buf_clear(&ws->scope);
	free(ws);
}

const struct dg_poller_ops dg_workspace_ops = {workspace_setup, workspace_linked,
	workspace_message, workspace_quiesce, workspace_teardown};
