/* poller/workspace.c: which deployments and locations there are.
 *
 * At the start the configured deployments are checked (a name that the control plane does
 * not know is fatal, but only if it says so), or the only one is asked for. Then the
 * workspace is queried every five seconds with the whole list of queues, and handed to
 * the ledger where it differs from the one before. A failed query changes nothing. Beside
 * a query that is silent another one is made, again and again, until one is answered: the
 * first may be slow, or its connection dead, and nobody can tell which. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "cloud/documents.h"
#include "daglet/crash.h"
#include "log/log.h"
#include "poller/names.h"
#include "poller/poller.h"
#include "json/json.h"
#include "json/write.h"

#define EVERY (5 * DG_SEC)
/* A deployment that a request woke is asked for soon. */
#define SOON (250 * DG_MSEC)
/* While the start's questions are not answered. */
#define START_RETRY (2 * DG_SEC)

/* ... that has been silent for so long */
#define SILENT (5 * DG_SEC)

static const char nothing[] = "{\"data\": {\"deployments\": []}}";

struct workspace;

struct query {
	struct workspace *ws;
	struct dg_cloud_call *call; /* NULL: not under way */
	struct dg_buf variables;
};

struct workspace {
	struct dg_poller *p;
	enum { ASK_NAME, CHECK_NAMES, WATCH } stage;
	struct dg_names deployments; /* configured, or asked for */
	struct dg_names ttl;         /* of requests that wait */
	bool branch, serverless;
	struct dg_buf queues;
	struct query patient, beside; /* the same question */
	bool ending;
	bool heard_ledger; /* it has said what it knows: */
	bool known_before; /* ... that it has a workspace of earlier */
	dg_usec asked;     /* when the last query began */
	sd_event_source *timer, *silence;
	struct dg_buf scope; /* as last told */
	struct dg_buf body;  /* the answer as last told */
	bool known;
};

static bool
is_asking(const struct workspace *ws)
{
	return ws->patient.call || ws->beside.call;
}

static void
next_in(struct workspace *ws, dg_usec wait)
{
	dg_usec now = dg_now();

	if (is_asking(ws) || ws->p->worker->quiescing)
		return;
	sd_event_source_set_time(ws->timer, now + wait);
	sd_event_source_set_enabled(ws->timer, SD_EVENT_ONESHOT);
}

/* WORKSPACE or UNCHANGED, and SCOPE before it where it changed. */
static void
tell(struct workspace *ws, struct dg_str body, bool again)
{
	uint64_t wall = (uint64_t)dg_wall_usec();
	struct dg_msg_workspace m = {.wall = wall, .body = DG_BODY_STR(body)};
	struct dg_msg_unchanged same = {.wall = wall};
	struct dg_names full = DG_NAMES_INIT;
	auto_buf scope = DG_BUF_INIT;

	dg_names_of_answer(&full, body, true);
	dg_names_lines(&full, &scope);
	dg_names_clear(&full);
	if (again || !dg_str_eq(dg_buf_str(&scope), dg_buf_str(&ws->scope))) {
		struct dg_msg_scope names = {DG_BODY_STR(dg_buf_str(&scope))};

		dg_worker_send(ws->p->worker, DG_MSG_SCOPE, 0, &names);
		dg_buf_reset(&ws->scope);
		dg_buf_addstr(&ws->scope, dg_buf_str(&scope));
	}
	if (!again && ws->known && dg_str_eq(body, dg_buf_str(&ws->body))) {
		dg_worker_send(ws->p->worker, DG_MSG_UNCHANGED, 0, &same);
		return;
	}
	dg_worker_send(ws->p->worker, DG_MSG_WORKSPACE, 0, &m);
	if (!again) {
		dg_buf_reset(&ws->body);
		dg_buf_addstr(&ws->body, body);
	}
	ws->known = true;
}

/* A refusal of the start's questions: the answer decides, silence does not. */
static void
fatal(struct workspace *ws, const char *text)
{
	dg_log(LOG_CRIT, "%s", text);
	dg_worker_say(ws->p->worker, "%s", text);
	ws->ending = true;
	dg_worker_exit(ws->p->worker, DG_EXIT_CONFIG);
}

static bool
on_name(struct workspace *ws, struct dg_str body)
{
	struct dg_str name;
	auto_free char *s = NULL;

	if (!dg_json_path(
		    body, &name, "data", "deploymentInfo", "deploymentName", NULL) ||
		!(s = dg_json_dup(name)) || !*s) {
		fatal(ws,
			"no deployment is configured, and the control plane names none; "
			"set dagster_cloud_api.deployment");
		return false;
	}
	dg_names_add(&ws->deployments, dg_str(s));
	return true;
}

static bool
on_names(struct workspace *ws, struct dg_str body)
{
	struct dg_names there = DG_NAMES_INIT;
	auto_buf missing = DG_BUF_INIT;
	size_t n = 0;

	if (!dg_names_of_answer(&there, body, false)) {
		dg_names_clear(&there);
		return false;
	}
	for (size_t i = 0; i < ws->deployments.n; i++)
		if (!dg_names_has(&there, dg_str(ws->deployments.v[i])))
			dg_buf_addf(
				&missing, "%s%s", n++ ? ", " : "", ws->deployments.v[i]);
	dg_names_clear(&there);
	if (n) {
		auto_free char *text = dg_xasprintf(
			"Agent is configured to serve an invalid deployment%s %s. Check "
			"your "
			"agent configuration to make sure it is serving the correct "
			"deployment.",
			n > 1 ? "s" : "", missing.p);

		fatal(ws, text);
		return false;
	}
	return true;
}

static void
say_what_is_served(const struct workspace *ws)
{
	auto_buf names = DG_BUF_INIT;

	dg_names_json(&ws->deployments, &names);
	dg_log(LOG_INFO, "Agent is serving: deployments%s queues%s%s", names.p,
		ws->queues.p, ws->branch ? " and branch deployments" : "");
}

static void ask(struct workspace *ws);

static void
stop_asking(struct workspace *ws)
{
	sd_event_source_set_enabled(ws->silence, SD_EVENT_OFF);
	dg_cloud_cancel(TAKE_PTR(ws->patient.call));
	dg_cloud_cancel(TAKE_PTR(ws->beside.call));
}

/* A token that the control plane refuses is a mistake in the configuration only where it
 * never took one: later it is trouble, and ends. */
static bool
is_fatal(const struct workspace *ws, const struct dg_cloud_result *r)
{
	if (ws->stage == ASK_NAME && r->outcome == DG_OUTCOME_ERRORS)
		return true;
	return r->cls == DG_DENIED && ws->heard_ledger && !ws->known && !ws->known_before;
}

static const char *const what[] = {
	"asking for the deployment", "checking the deployments", "workspace query"};

static void
on_answer(struct dg_cloud_result *r, void *arg)
{
	struct query *q = arg;
	struct workspace *ws = q->ws;
	struct dg_str body = dg_json_trim(dg_buf_str(&r->body));
	struct dg_names probe = DG_NAMES_INIT;
	bool ok;

	(void)DG_CRASH_AFTER(ASK);
	q->call = NULL;
	if (is_asking(ws) && r->outcome == DG_OUTCOME_TRANSPORT)
		return; /* the other one may be answered */
	stop_asking(ws);
	if (r->cls) {
		if (is_fatal(ws, r)) {
			fatal(ws, r->text);
			return;
		}
		dg_poller_failed(ws->p, what[ws->stage], r, false);
		next_in(ws, r->wait ? r->wait
			    : ws->stage == WATCH
				    ? EVERY
				    : START_RETRY / 2 + dg_random_below(START_RETRY));
		return;
	}
	if (ws->stage == WATCH) {
		ok = dg_names_of_answer(&probe, body, false);
		dg_names_clear(&probe);
		if (ok)
			tell(ws, body, false);
	} else {
		ok = ws->stage == ASK_NAME ? on_name(ws, body) : on_names(ws, body);
	}
	if (ws->ending)
		return;
	if (!ok) {
		struct dg_cloud_result odd = {.text = "the answer has no such list"};

		dg_poller_failed(ws->p, what[ws->stage], &odd, false);
		next_in(ws, EVERY);
		return;
	}
	dg_poller_worked(ws->p, what[ws->stage]);
	if (ws->stage != WATCH) {
		ws->stage = WATCH;
		say_what_is_served(ws);
		ask(ws);
		return;
	}
	next_in(ws, ws->asked + EVERY > dg_now() ? ws->asked + EVERY - dg_now() : 0);
}

static void
compose(struct workspace *ws, struct dg_buf *out)
{
	struct dg_names all = DG_NAMES_INIT;
	struct dg_jw w;

	for (size_t i = 0; i < ws->deployments.n; i++)
		dg_names_add(&all, dg_str(ws->deployments.v[i]));
	for (size_t i = 0; ws->stage == WATCH && i < ws->ttl.n; i++)
		dg_names_add(&all, dg_str(ws->ttl.v[i]));
	dg_buf_reset(out);
	w = dg_jw(out);
	dg_jw_open_object(&w);
	if (ws->stage != ASK_NAME) {
		dg_jw_key(&w, "deploymentNames");
		dg_jw_place(&w);
		dg_names_json(&all, out);
	}
	if (ws->stage == WATCH) {
		dg_jw_kbool(&w, "includeAllServerlessDeployments", ws->serverless);
		dg_jw_kraw(&w, "agentQueues", dg_buf_str(&ws->queues));
	}
	dg_jw_close_object(&w);
	dg_names_clear(&all);
}

static void
begin(struct query *q)
{
	struct workspace *ws = q->ws;
	static const char *const documents[] = {
		dg_doc_deployment_info, dg_doc_deployments, dg_doc_workspace};
	struct dg_cloud_spec spec = {.how = DG_CALL_GRAPHQL,
		.scope = ws->stage == ASK_NAME ? DG_SCOPE_DEPLOYMENT
					       : DG_SCOPE_ORGANIZATION,
		.document = documents[ws->stage],
		.policy = DG_RETRY_NONE,
		.idempotent = true,
		.done = on_answer,
		.arg = q};

	dg_cloud_cancel(TAKE_PTR(q->call));
	compose(ws, &q->variables);
	spec.body[0] = dg_buf_str(&q->variables);
	spec.body_n = 1;
	(void)DG_CRASH_BEFORE(ASK);
	q->call =
		dg_cloud_start(q == &ws->patient ? ws->p->channel : ws->p->aside, &spec);
	sd_event_source_set_time(ws->silence, dg_now() + SILENT);
	sd_event_source_set_enabled(ws->silence, SD_EVENT_ONESHOT);
}

static int
on_silence(sd_event_source *src, uint64_t usec, void *arg)
{
	struct workspace *ws = arg;
	struct dg_cloud_result r = {.text = "no answer for 5 s"};

	(void)src;
	(void)usec;
	_Static_assert(SILENT == 5 * DG_SEC, "as the text says");
	dg_poller_failed(ws->p, what[ws->stage], &r, false);
	begin(ws->patient.call ? &ws->beside : &ws->patient);
	return 0;
}

static void
ask(struct workspace *ws)
{
	ws->asked = dg_now();
	if (ws->stage == WATCH && !ws->deployments.n && !ws->ttl.n && !ws->serverless) {
		tell(ws, dg_str(nothing), false);
		dg_poller_worked(ws->p, "workspace query");
		next_in(ws, EVERY);
		return;
	}
	begin(&ws->patient);
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	(void)src;
	(void)usec;
	ask(arg);
	return 0;
}

static void
read_settings(struct workspace *ws)
{
	const struct dg_settings *s = ws->p->worker->settings;

	dg_names_clear(&ws->deployments);
	dg_buf_reset(&ws->queues);
	for (size_t i = 0; i < dg_settings_count(s, "deployments"); i++)
		dg_names_add(
			&ws->deployments, dg_str(dg_settings_item(s, "deployments", i)));
	ws->branch = dg_settings_bool(s, "dagster_cloud_api.branch_deployments");
	ws->serverless =
		dg_settings_bool(s, "dagster_cloud_api.all_serverless_deployments");
	dg_poller_queues(s, &ws->queues);
	ws->stage = ws->deployments.n              ? CHECK_NAMES
		    : ws->branch || ws->serverless ? WATCH
						   : ASK_NAME;
}

static void
workspace_apply(struct dg_poller *p)
{
	struct workspace *ws = p->data;

	ws->patient.call = ws->beside.call = NULL;
	stop_asking(ws);
	dg_poller_renew(p);
	read_settings(ws);
	next_in(ws, 0);
}

static int
workspace_setup(struct dg_poller *p, struct dg_err *e)
{
	struct workspace *ws = dg_new(struct workspace);
	int r;

	p->data = ws;
	ws->p = p;
	ws->patient.ws = ws->beside.ws = ws;
	read_settings(ws);
	r = sd_event_add_time(p->worker->event, &ws->timer, CLOCK_MONOTONIC, 0,
		20 * DG_MSEC, on_timer, ws);
	if (r < 0 || (r = sd_event_add_time(p->worker->event, &ws->silence,
			      CLOCK_MONOTONIC, 0, 100 * DG_MSEC, on_silence, ws)) < 0)
		return dg_fail(e, DG_TRANSPORT, -r, "no timer");
	sd_event_source_set_enabled(ws->silence, SD_EVENT_OFF);
	return 0; /* the timer is due at once */
}

static void
workspace_linked(struct dg_poller *p)
{
	struct workspace *ws = p->data;

	if (ws->known)
		tell(ws, dg_buf_str(&ws->body), true);
	dg_worker_send(p->worker, DG_MSG_HAVE_END, 0, NULL);
}

static void
workspace_message(struct dg_poller *p, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct workspace *ws = p->data;
	const struct dg_msg_ttl_deployments *m = payload;

	(void)id;
	if (type == DG_MSG_SCOPE)
		ws->known_before = true;
	if (type == DG_MSG_CREDIT) /* behind SCOPE, if there is one */
		ws->heard_ledger = true;
	if (type != DG_MSG_TTL_DEPLOYMENTS)
		return;
	if (dg_names_read(&ws->ttl, dg_strn(m->names.p, m->names.n)) &&
		ws->stage == WATCH && ws->asked + EVERY > dg_now() + SOON)
		next_in(ws, SOON);
}

static void
workspace_quiesce(struct dg_poller *p)
{
	struct workspace *ws = p->data;

	/* An answer under way is of no use to anybody. */
	sd_event_source_set_enabled(ws->timer, SD_EVENT_OFF);
	stop_asking(ws); /* nothing is lost with an answer */
	dg_worker_done(p->worker, 0);
}

static void
workspace_teardown(struct dg_poller *p)
{
	struct workspace *ws = p->data;

	if (!ws)
		return;
	sd_event_source_disable_unref(ws->timer);
	sd_event_source_disable_unref(ws->silence);
	dg_names_clear(&ws->deployments);
	dg_names_clear(&ws->ttl);
	dg_buf_clear(&ws->queues);
	dg_buf_clear(&ws->patient.variables);
	dg_buf_clear(&ws->beside.variables);
	dg_buf_clear(&ws->scope);
	dg_buf_clear(&ws->body);
	free(ws);
}

const struct dg_poller_kind dg_poller_workspace = {.setup = workspace_setup,
	.linked = workspace_linked,
	.message = workspace_message,
	.apply = workspace_apply,
	.quiesce = workspace_quiesce,
	.teardown = workspace_teardown};
