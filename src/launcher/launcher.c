/* launcher/launcher.c: messages in and out, start, links, adoption, end. See launcher.h.
 *
 * Nothing is started before the ledger has said what earlier launchers left (KNOWN_END)
 * and what is wanted (DESIRED). At the end servers are kept for the next launcher unless
 * the installation ends; runs always stay.
 */
#include "launcher/launcher.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dagster/error.h"
#include "dagster/instance_ref.h"
#include "dagster/metadata.h"
#include "dagster/workspace.h"
#include "log/log.h"
#include "json/json.h"

/* Requests under way at the end may take so long, servers so long to stop. */
#define STOP_GRACE (5 * DG_SEC)
#define STOP_GRACE_LATE DG_SEC /* when the time is over */
#define STOP_LIMIT (8 * DG_SEC)

void
dg_launcher_timer(struct dg_launcher *l, sd_event_source **s, dg_usec at, dg_usec slack,
	sd_event_time_handler_t fn, void *arg)
{
	int r;

	if (at == DG_USEC_NEVER) {
		*s = sd_event_source_disable_unref(*s);
		return;
	}
	if (*s) {
		sd_event_source_set_time(*s, at);
		sd_event_source_set_time_accuracy(*s, slack);
		sd_event_source_set_enabled(*s, SD_EVENT_ONESHOT);
		return;
	}
	r = sd_event_add_time(l->w->event, s, CLOCK_MONOTONIC, at, slack, fn, arg);
	if (r < 0)
		dg_log(LOG_CRIT, "cannot make a timer: %s", strerror(-r));
}

const char *
dg_launcher_label(const struct dg_launcher *l)
{
	return dg_settings_str(l->w->settings, "dagster_cloud_api.agent_label");
}

void
dg_launcher_trouble(struct dg_launcher *l, struct dg_str error)
{
	auto_buf cut = DG_BUF_INIT;
	struct dg_msg_trouble m = {.wall = (uint64_t)dg_wall_usec()};

	dg_error_truncate(error, l->tuning.agent_error, 3, &cut);
	m.error = DG_BODY_STR(dg_buf_str(&cut));
	dg_worker_send(l->w, DG_MSG_TROUBLE, 0, &m);
}

struct dg_str
dg_launcher_ref(struct dg_launcher *l, const char *deployment, bool user_code)
{
	auto_free char *key = dg_xasprintf("%d%s", user_code, deployment);
	struct dg_buf *text = dg_map_get(&l->refs, dg_str(key));
	struct dg_err e = {0};

	if (!text) {
		text = dg_new(struct dg_buf);
		if (dg_instance_ref_text(l->ref,
			    user_code ? DG_REF_USER_CODE : DG_REF_DEPLOYMENT, deployment,
			    text, &e) < 0) {
			dg_log_err(LOG_ERR, &e, NULL);
			dg_buf_adds(text, "null");
		}
		dg_map_put(&l->refs, dg_str(key), text);
	}
	return dg_buf_str(text);
}

/* INTENT and HANDLE: kept until the ledger has committed them. */

static void
commit_free(struct dg_commit *c)
{
	free(c->key);
	free(c->deployment);
	free(c->location);
	free(c->nonce);
	dg_buf_clear(&c->handle);
	free(c);
}

static void
transmit(struct dg_launcher *l, const struct dg_commit *c)
{
	struct dg_msg_intent intent = {
		.request = c->request,
		.run_id = dg_str(c->key),
		.nonce = dg_str(c->nonce),
		.deployment = dg_str(c->deployment),
	};
	struct dg_msg_handle handle = {
		.what = c->what,
		.stage = c->stage,
		.request = c->request,
		.key = dg_str(c->key),
		.deployment = dg_str(c->deployment),
		.location = dg_str(c->location),
		.handle = DG_BODY_STR(dg_buf_str(&c->handle)),
	};

	dg_worker_send(l->w, c->type, c->id,
		c->type == DG_MSG_INTENT ? (void *)&intent : (void *)&handle);
}

void
dg_launcher_commit(struct dg_launcher *l, const struct dg_commit *from)
{
	struct dg_commit *c = dg_new(struct dg_commit);
	char key[24];

	*c = *from;
	c->id = ++l->handle_id;
	c->key = dg_xstrdup(from->key);
	c->deployment = dg_xstrdup(from->deployment ? from->deployment : "");
	c->location = dg_xstrdup(from->location ? from->location : "");
	c->nonce = dg_xstrdup(from->nonce ? from->nonce : "");
	c->handle = DG_BUF_INIT;
	dg_buf_addstr(&c->handle, dg_buf_str(&from->handle));
	snprintf(key, sizeof(key), "%llu", (unsigned long long)c->id);
	dg_map_put(&l->commits, dg_str(key), c);
	transmit(l, c);
}

static void
committed(struct dg_launcher *l, uint64_t id)
{
	char key[24];
	struct dg_commit *c;

	snprintf(key, sizeof(key), "%llu", (unsigned long long)id);
	c = dg_map_del(&l->commits, dg_str(key));
	if (!c)
		return;
	if (c->done)
		c->done(l, c->key);
	commit_free(c);
}

void
dg_launcher_gone(struct dg_launcher *l, enum dg_handle_what what, const char *key,
	const char *deployment)
{
	struct dg_commit c = {
		.type = DG_MSG_HANDLE,
		.what = what,
		.stage = DG_STAGE_GONE,
		.key = (char *)(uintptr_t)key,
		.deployment = (char *)(uintptr_t)deployment,
	};

	dg_launcher_commit(l, &c);
}

/* What earlier launchers left. */

static void
known_server(struct dg_launcher *l, const struct dg_msg_known *m)
{
	auto_free char *id = dg_str_dup(m->key), *text = NULL, *handle = NULL;
	struct dg_str body = dg_strn(m->handle.p, m->handle.n);
	struct dg_adopted *a;

	if (dg_map_get(&l->servers, m->key) || l->known_end)
		return; /* only a new link */
	for (size_t i = 0; i < l->nadopted; i++)
		if (strcmp(l->adopted[i].id, id) == 0)
			return; /* a ledger said so, and died before KNOWN_END */
	if (m->stage != DG_STAGE_STARTED ||
		dg_json_check(body, DG_JSON_DEPTH_MAX, NULL) < 0 ||
		!(handle = dg_json_member_dup(body, "handle")) ||
		!(text = dg_json_member_dup(body, "metadata"))) {
		auto_free char *dep = dg_str_dup(m->deployment);

		dg_launcher_gone(l, DG_HANDLE_SERVER, id, dep);
		return;
	}
	l->adopted = dg_xrealloc(l->adopted, l->nadopted + 1, sizeof(*l->adopted));
	a = &l->adopted[l->nadopted++];
	*a = (struct dg_adopted){.id = dg_xstrdup(id),
		.deployment = dg_str_dup(m->deployment),
		.location = dg_str_dup(m->location)};
	dg_json_member_bool(body, "branch", &a->branch);
	dg_json_member_double(body, "timestamp", &a->version.timestamp);
	dg_desired_version(dg_str(text), &a->version);
	dg_buf_adds(&a->metadata, text);
	dg_buf_adds(&a->handle, handle);
}

static int
newest_first(const void *x, const void *y)
{
	double a = ((const struct dg_adopted *)x)->version.timestamp;
	double b = ((const struct dg_adopted *)y)->version.timestamp;

	return a > b ? -1 : a < b;
}

static void
known_end(struct dg_launcher *l)
{
	if (l->known_end)
		return;
	l->known_end = true;
	if (l->nadopted)
		qsort(l->adopted, l->nadopted, sizeof(*l->adopted), newest_first);
	for (size_t i = 0; i < l->nadopted; i++) {
		struct dg_adopted *a = &l->adopted[i];

		dg_place_adopt(dg_place_get(l, dg_str(a->deployment), dg_str(a->location),
				       a->branch),
			a);
		free(a->id);
		free(a->deployment);
		free(a->location);
		dg_buf_clear(&a->metadata);
		dg_buf_clear(&a->handle);
	}
	free(TAKE_PTR(l->adopted));
	l->nadopted = 0;
	if (l->ops->adopted)
		l->ops->adopted(l->backend);
}

/* Logs. */

struct dg_logs {
	uint64_t id; /* of the command */
};

static void
result(struct dg_launcher *l, uint64_t id, unsigned code, struct dg_str text)
{
	struct dg_msg_result m = {.code = code, .body = DG_BODY_STR(text)};

	dg_worker_send(l->w, DG_MSG_RESULT, id, &m);
}

static void
command(struct dg_launcher *l, uint64_t id, const struct dg_msg_command *m)
{
	auto_free char *server = NULL, *run = NULL;
	int64_t lines = 100;
	char key[24];
	struct dg_logs *g;

	if (!dg_str_is(m->op, "logs") ||
		dg_json_check(m->args, DG_JSON_DEPTH_MAX, NULL) < 0) {
		result(l, id, 400, DG_STR("no such command"));
		return;
	}
	server = dg_json_member_dup(m->args, "server");
	run = dg_json_member_dup(m->args, "run");
	dg_json_member_int(m->args, "lines", &lines);
	if (!(server && dg_map_get(&l->servers, dg_str(server))) &&
		!(run && dg_map_get(&l->runs, dg_str(run)))) {
		result(l, id, 404, DG_STR("nobody knows this id"));
		return;
	}
	g = dg_new(struct dg_logs);
	g->id = id;
	snprintf(key, sizeof(key), "%llu", (unsigned long long)++l->ticket);
	dg_map_put(&l->logs, dg_str(key), g);
	l->ops->logs(l->backend, server ? server : run, !server,
		lines > 0 && lines < 100000 ? (unsigned)lines : 100, l->ticket);
}

static void
logs(struct dg_launcher *l, const struct dg_backend_event *ev)
{
	char key[24];
	struct dg_logs *g;

	snprintf(key, sizeof(key), "%llu", (unsigned long long)ev->ticket);
	g = dg_map_del(&l->logs, dg_str(key));
	if (g)
		result(l, g->id, 200, ev->text);
	free(g);
}

/* Messages. */

static void
emitted(void *arg, const struct dg_backend_event *ev)
{
	struct dg_launcher *l = arg;

	if (ev->type == DG_EV_LOGS)
		logs(l, ev);
	else if (ev->type <= DG_EV_SERVER_EXIT || ev->type == DG_EV_SERVER_REPORT)
		dg_place_backend(l, ev);
	else
		dg_runs_backend(l, ev);
	if (l->w->quiescing)
		dg_launcher_quiesced(l);
}

static void
message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_launcher *l = w->data;

	switch (type) {
	case DG_MSG_IDENTITY: {
		const struct dg_msg_identity *m = payload;

		snprintf(l->agent_id, sizeof(l->agent_id), "%.*s", DG_FMT(m->agent_id));
		snprintf(l->installation, sizeof(l->installation), "%.*s",
			DG_FMT(m->installation));
		l->slot = (unsigned)m->slot;
		break;
	}
	case DG_MSG_DO:
		if (w->quiescing)
			break; /* the next launcher will get it */
		dg_relay_do(l, id, payload);
		break;
	case DG_MSG_DESIRED: {
		const struct dg_msg_desired *m = payload;

		if (!w->quiescing)
			dg_desired(l, dg_strn(m->body.p, m->body.n));
		break;
	}
	case DG_MSG_UNCHANGED: /* the same workspace, looked at anew */
		if (l->looks && --l->looks == 0)
			dg_desired_again(l);
		if (l->desired_seen)
			dg_relay_unknown(l);
		break;
	case DG_MSG_KNOWN: {
		const struct dg_msg_known *m = payload;

		if (m->what == DG_HANDLE_SERVER)
			known_server(l, m);
		else
			dg_runs_known(l, m);
		break;
	}
	case DG_MSG_KNOWN_END:
		known_end(l);
		break;
	case DG_MSG_INTENT_OK:
	case DG_MSG_HANDLE_OK:
		committed(l, id);
		break;
	case DG_MSG_CALL_DONE:
		dg_calls_done(&l->calls, id, payload);
		break;
	case DG_MSG_ANSWERED:
		dg_relay_answered(l, id);
		break;
	case DG_MSG_COMMAND:
		command(l, id, payload);
		break;
	default:
		break;
	}
}

static void
linked(struct dg_worker *w)
{
	struct dg_launcher *l = w->data;

	dg_relay_linked(l);
	DG_MAP_EACH(&l->commits, s)
	transmit(l, s->value);
	dg_calls_resend(&l->calls);
	dg_report_all(l);
	if (l->ttl_names.n) {
		struct dg_msg_ttl_deployments m = {
			DG_BODY_STR(dg_buf_str(&l->ttl_names))};

		dg_worker_send(w, DG_MSG_TTL_DEPLOYMENTS, 0, &m);
	}
	/* The ledger gives work only after HAVE_END, and says KNOWN_END at once. */
	dg_worker_send(w, DG_MSG_HAVE_END, 0, NULL);
}

static void
control(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_launcher *l = w->data;

	(void)id;
	if (type == DG_MSG_CHILD_EXIT && l->ops->child_exit) {
		const struct dg_msg_child_exit *m = payload;

		l->ops->child_exit(l->backend, (pid_t)m->pid, (int)m->status);
	}
}

/* The end. */

static void
end(struct dg_launcher *l)
{
	if (!l->ended)
		dg_worker_done(l->w, 0);
	l->ended = true;
}

static int
on_limit(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_launcher *l = arg;

	(void)s;
	(void)usec;
	if (l->stopping || !l->w->remove) {
		end(l);
		return 0;
	}
	l->late = true;
	dg_launcher_quiesced(l);
	return 0;
}

static bool
busy(const struct dg_launcher *l)
{
	DG_MAP_EACH(&l->requests, s)
	{
		const struct dg_request *r = s->value;

		if (r->stage == DG_REQUEST_CALLING || r->stage == DG_REQUEST_CHECKING ||
			r->stage == DG_REQUEST_RUN)
			return true;
	}
	return false;
}

void
dg_launcher_quiesced(struct dg_launcher *l)
{
	if (!l->late && busy(l))
		return;
	if (!l->w->remove) {
		end(l);
		return;
	}
	if (!l->stopping) {
		l->stopping = true;
		DG_MAP_EACH(&l->servers, slot)
		{
			struct dg_server *s = slot->value;

			s->draining = true; /* its end is no news */
			l->ops->server_stop(l->backend, s->id,
				l->w->quiesce_limit ? STOP_GRACE : STOP_GRACE_LATE);
		}
		dg_launcher_timer(l, &l->quiesce, dg_now() + STOP_LIMIT, 100 * DG_MSEC,
			on_limit, l);
	}
	if (dg_map_count(&l->servers) == 0)
		end(l);
}

static void
quiesce(struct dg_worker *w)
{
	struct dg_launcher *l = w->data;

	if (l->stopping) { /* asked again: no more waiting */
		DG_MAP_EACH(&l->servers, s)
		l->ops->server_kill(l->backend, ((struct dg_server *)s->value)->id);
		return;
	}
	l->late = w->quiesce_limit == 0;
	dg_launcher_timer(
		l, &l->quiesce, dg_now() + w->quiesce_limit, 100 * DG_MSEC, on_limit, l);
	dg_launcher_quiesced(l);
}

/* The beginning. */

static const struct dg_backend_ops *backend_ops; /* of this program */

static int
setup(struct dg_worker *w, struct dg_err *e)
{
	struct dg_launcher *l = dg_new(struct dg_launcher);
	const char *yaml = dg_settings_str(w->settings, "raw.dagster_yaml");
	const char *home = dg_settings_str(w->settings, "home");
	const char *state = dg_settings_str(w->settings, "daglet.state_dir");
	const char *runtime = dg_settings_str(w->settings, "daglet.runtime_dir");
	struct dg_backend_host host = {
		.event = w->event,
		.settings = w->settings,
		.state_dir = state ? state : "",
		.runtime_dir = runtime ? runtime : "",
		.slot = (unsigned)dg_settings_int(w->settings, "daglet.slot"),
		.emit = emitted,
		.arg = l,
	};
	int r;

	w->data = l;
	l->w = w;
	l->ops = backend_ops;
	dg_calls_init(&l->calls, w);
	dg_policy_init(&l->policy, w->settings);
	dg_reload_settings(l);
	l->handle_id = (uint64_t)dg_wall_usec();
	r = dg_instance_ref_new(
		&l->ref, dg_str(yaml ? yaml : ""), home ? home : "/", NULL, e);
	if (r < 0)
		return r;
	return l->ops->open(&l->backend, &host, e);
}

static void
teardown(struct dg_worker *w)
{
	struct dg_launcher *l = w->data;

	if (!l)
		return;
	DG_MAP_EACH(&l->requests, s)
	{
		struct dg_request *r = s->value;

		dg_query_free(r);
	}
	DG_MAP_EACH(&l->runs, s)
	dg_run_free(s->value);
	DG_MAP_EACH(&l->places, s)
	dg_place_free(s->value);
	DG_MAP_EACH(&l->requests, s)
	dg_relay_free(s->value);
	DG_MAP_EACH(&l->commits, s)
	commit_free(s->value);
	DG_MAP_EACH(&l->refs, s)
	{
		dg_buf_clear(s->value);
		free(s->value);
	}
	DG_MAP_EACH(&l->logs, s)
	free(s->value);
	if (l->backend)
		l->ops->close(l->backend);
	dg_map_clear(&l->places);
	dg_map_clear(&l->servers);
	dg_map_clear(&l->requests);
	dg_map_clear(&l->runs);
	dg_map_clear(&l->commits);
	dg_map_clear(&l->refs);
	dg_map_clear(&l->logs);
	dg_map_clear(&l->deployments);
	dg_map_clear(&l->listed);
	dg_map_clear(&l->skipped);
	dg_policy_clear(&l->policy);
	dg_calls_clear(&l->calls);
	dg_instance_ref_free(l->ref);
	free(l->token);
	dg_buf_clear(&l->workspace);
	dg_buf_clear(&l->ttl_names);
	dg_buf_clear(&l->role_state);
	sd_event_source_disable_unref(l->reconsider);
	sd_event_source_disable_unref(l->settle);
	sd_event_source_disable_unref(l->quiesce);
	free(l);
}

int
dg_launcher_main(const struct dg_backend_ops *backend, int argc, char **argv)
{
	static const struct dg_worker_ops ops = {
		.setup = setup,
		.check = dg_reload_check,
		.apply = dg_reload_apply,
		.linked = linked,
		.message = message,
		.control = control,
		.quiesce = quiesce,
		.teardown = teardown,
	};

	backend_ops = backend;
	return dg_worker_main(DG_ROLE_LAUNCHER, argc, argv, &ops);
}
