/* launcher/runs.c: the table of runs: what is asked of each in the order of popping, what
 * became of it. See launcher.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daglet/state.h"
#include "dagster/error.h"
#include "launcher/launcher.h"
#include "log/log.h"
#include "json/json.h"
#include "json/write.h"

/* An ended run is shown for so long (a heartbeat comes every 30 s); the backend itself
 * remembers for days that it was started. */
#define SHOWN_FOR (600 * DG_SEC)
#define ON_SERVER_FOR (86400 * DG_SEC)
/* A backend that finds a run gone knows by then whether and how it ended. */
#define ENDS_FOLLOW DG_SEC

struct dg_run *
dg_run_get(struct dg_launcher *l, const char *id, const char *deployment)
{
	struct dg_run *r = dg_map_get(&l->runs, dg_str(id));

	if (r)
		return r;
	r = dg_new(struct dg_run);
	r->l = l;
	r->id = dg_xstrdup(id);
	r->deployment = dg_xstrdup(deployment);
	r->since = dg_wall_usec();
	TAILQ_INIT(&r->queue);
	dg_map_put(&l->runs, dg_str(id), r);
	return r;
}

void
dg_run_free(struct dg_run *r)
{
	dg_map_del(&r->l->runs, dg_str(r->id));
	if (r->shown.n)
		dg_report_gone(r->l, DG_STATE_RUN, r->id);
	if (r->call)
		dg_call_cancel(r->call);
	dg_errand_forget(r->errand);
	sd_event_source_disable_unref(r->timer);
	sd_event_source_disable_unref(r->forget);
	dg_outcome_clear(r);
	dg_run_clear(&r->said);
	dg_buf_clear(&r->handle);
	dg_buf_clear(&r->trouble);
	dg_buf_clear(&r->shown);
	free(r->id);
	free(r->deployment);
	free(r->location);
	free(r->job);
	free(r->message);
	free(r);
}

static int
on_forget(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_run *r = arg;

	(void)s;
	(void)usec;
	if (!TAILQ_EMPTY(&r->queue)) { /* asked about just now: later */
		dg_launcher_timer(
			r->l, &r->forget, dg_now() + SHOWN_FOR, DG_SEC, on_forget, r);
		return 0;
	}
	dg_launcher_gone(r->l, DG_HANDLE_RUN, r->id, r->deployment);
	dg_run_free(r);
	return 0;
}

static void
forget_in(struct dg_run *r, dg_usec time)
{
	r->forget = sd_event_source_disable_unref(r->forget);
	dg_launcher_timer(r->l, &r->forget, dg_now() + time, DG_SEC, on_forget, r);
}

void
dg_run_status_set(struct dg_run *r, const char *status, const char *message)
{
	r->status = status;
	r->since = dg_wall_usec();
	free(r->message);
	r->message = message ? dg_xstrdup(message) : NULL;
	dg_report_run(r);
}

void
dg_run_stage(struct dg_run *r, enum dg_handle_stage stage, uint64_t request,
	void (*done)(struct dg_launcher *l, const char *key))
{
	auto_buf body = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&body);
	struct dg_commit c = {
		.type = DG_MSG_HANDLE,
		.what = DG_HANDLE_RUN,
		.stage = stage,
		.request = request,
		.key = r->id,
		.deployment = r->deployment,
		.location = r->location,
		.done = done,
	};

	r->known = true;
	r->stage = stage;
	dg_jw_open_object(&w);
	dg_jw_key(&w, "handle");
	dg_jw_strn(&w, dg_buf_str(&r->handle));
	dg_jw_kstr(&w, "job", r->job);
	dg_jw_kbool(&w, "on_server", r->on_server);
	if (stage == DG_STAGE_ENDED && r->status) { /* told again by the next launcher */
		dg_jw_kstr(&w, "status", r->status);
		dg_jw_kstr(&w, "message", r->message);
		dg_jw_kint(&w, "since", r->since);
	}
	dg_jw_close_object(&w);
	c.handle = body;
	dg_launcher_commit(r->l, &c);
	if (stage != DG_STAGE_ENDED && r->on_server)
		forget_in(r, ON_SERVER_FOR);
}

/* Requests, one after the other. */

static int
run_of(const struct dg_request *q, struct dg_dagster_run *said, struct dg_err *e)
{
	struct dg_str args;
	int r = dg_args(dg_blob_str(&q->body), &args, e);

	return r < 0 ? r : dg_run_of_args(args, said, e);
}

static void
begin(struct dg_run *r)
{
	struct dg_request *q;
	struct dg_err e = {0};

	while (!r->at && (q = TAILQ_FIRST(&r->queue))) {
		r->at = q;
		dg_buf_reset(&r->trouble);
		dg_run_clear(&r->said);
		if (q->expire && dg_wall_usec() >= (int64_t)q->expire) {
			dg_relay_fail(dg_run_pop(r), DG_CLS_EXCEPTION,
				"The request expired before it could be carried out.");
		} else if (run_of(q, &r->said, &e) < 0) {
			dg_relay_fail(dg_run_pop(r), DG_CLS_DESERIALIZE, "%s", e.what);
		} else {
			q->started = dg_wall_usec();
			if (q->row->how == DG_HOW_LAUNCH)
				dg_launching_begin(r);
			else
				dg_ending_begin(r);
		}
	}
}

struct dg_request *
dg_run_pop(struct dg_run *r)
{
	struct dg_request *q = r->at;

	TAILQ_REMOVE(&r->queue, q, run_link);
	q->run = NULL;
	r->at = NULL;
	r->timer = sd_event_source_disable_unref(r->timer);
	dg_errand_forget(TAKE_PTR(r->errand));
	return q;
}

void
dg_run_next(struct dg_run *r)
{
	begin(r);
	if (!r->at && !r->known && TAILQ_EMPTY(&r->queue))
		dg_run_free(r);
}

void
dg_runs_request(struct dg_request *q)
{
	struct dg_dagster_run said;
	struct dg_err e = {0};
	struct dg_run *r;

	if (run_of(q, &said, &e) < 0) {
		dg_relay_fail(q, DG_CLS_DESERIALIZE, "%s", e.what);
		return;
	}
	r = dg_run_get(q->l, said.id, q->deployment);
	if (!r->location)
		r->location = TAKE_PTR(said.location);
	if (!r->job)
		r->job = TAKE_PTR(said.job);
	dg_run_clear(&said);
	q->stage = DG_REQUEST_RUN;
	q->run = r;
	TAILQ_INSERT_TAIL(&r->queue, q, run_link);
	if (!r->at)
		dg_run_next(r);
}

void
dg_runs_released(struct dg_request *q)
{
	q->stage = DG_REQUEST_RUN;
	if (q->row->how == DG_HOW_LAUNCH)
		dg_launching_released(q->run);
	else
		dg_ending_released(q->run);
}

void
dg_runs_go(struct dg_request *q)
{
	if (q->row->how == DG_HOW_LAUNCH)
		dg_launching_go(q->run);
	else
		dg_ending_go(q->run);
}

void
dg_run_error(struct dg_run *r, const char *cls, const char *fmt, ...)
{
	auto_buf text = DG_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dg_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	dg_buf_reset(&r->trouble);
	dg_error_add(&r->trouble, cls, dg_buf_str(&text), DG_STR_NULL);
}

void
dg_run_failed(struct dg_run *r, const struct dg_err *e)
{
	char text[DG_ERR_TEXT];

	dg_run_error(r, DG_CLS_LAUNCH_FAILED, "%s", dg_err_text(e, text, sizeof(text)));
}

/* What is told to the control plane about a run, in order, waited for by nobody. */

struct dg_errand *
dg_run_queue_event(
	struct dg_run *r, enum dg_event what, struct dg_str error, dg_errand_fn *fn)
{
	auto_buf agent = DG_BUF_INIT, b = DG_BUF_INIT;
	char key[37];

	dg_agent_name(&agent, r->l->agent_id, dg_launcher_label(r->l));
	dg_event_variables(&b, what, &r->said, dg_buf_str(&agent), error, dg_wall_usec());
	dg_event_key(key, what, r->id, r->at->request_id);
	return dg_calls_text(&r->l->calls, DG_CALL_OP_STORE_EVENT, r->deployment, r->id,
		NULL, key, dg_buf_str(&b), fn, r);
}

bool
dg_run_refused(struct dg_run *r, const struct dg_msg_call_done *m)
{
	if (m->cls != DG_USER)
		return false;
	dg_run_error(r, DG_CLS_EXCEPTION, "%.*s", DG_FMT(m->text));
	return true;
}

void
dg_run_queue_tags(struct dg_run *r, struct dg_str members)
{
	auto_buf b = DG_BUF_INIT;

	if (!members.n)
		return;
	dg_tags_variables(&b, r->id, members);
	dg_calls_text(&r->l->calls, DG_CALL_OP_ADD_RUN_TAGS, r->deployment, r->id, NULL,
		NULL, dg_buf_str(&b), NULL, NULL);
}

/* What earlier launchers left. */

static int
on_nobody(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_run *r = arg;

	(void)s;
	(void)usec;
	if (!r->adopting)
		return 0;
	r->adopting = false;
	dg_run_exited(r, &(struct dg_exit){.code = -1});
	if (r->at && r->at->row->how == DG_HOW_LAUNCH)
		dg_launching_begin(r);
	return 0;
}

/* It ended, and whoever saw that may not have lived to tell. */
static void
show_again(struct dg_run *r, struct dg_str body)
{
	static const char *const all[] = {
		DG_WORKER_SUCCESS, DG_WORKER_FAILED, DG_WORKER_NOT_FOUND};
	auto_free char *status = dg_json_member_dup(body, "status");

	r->over = true;
	for (size_t i = 0; status && i < DG_N(all); i++)
		if (strcmp(status, all[i]) == 0)
			r->status = all[i];
	if (!r->status)
		return;
	r->message = dg_json_member_dup(body, "message");
	(void)dg_json_member_int(body, "since", &r->since);
	dg_report_run(r);
}

void
dg_runs_known(struct dg_launcher *l, const struct dg_msg_known *m)
{
	auto_free char *id = dg_str_dup(m->key), *dep = dg_str_dup(m->deployment);
	struct dg_run *r = dg_map_get(&l->runs, dg_str(id));
	struct dg_str body = dg_strn(m->handle.p, m->handle.n);
	auto_free char *text = NULL;

	if (r && r->known)
		return; /* a new link, nothing new */
	r = dg_run_get(l, id, dep);
	r->known = true;
	r->stage = (enum dg_handle_stage)m->stage;
	if (m->location.n && !r->location)
		r->location = dg_str_dup(m->location);
	if (dg_json_check(body, DG_JSON_DEPTH_MAX, NULL) == 0) {
		text = dg_json_member_dup(body, "handle");
		dg_json_member_bool(body, "on_server", &r->on_server);
		if (!r->job)
			r->job = dg_json_member_dup(body, "job");
	}
	if (text)
		dg_buf_adds(&r->handle, text);
	if (r->stage == DG_STAGE_ENDED) {
		show_again(r, body);
		forget_in(r, SHOWN_FOR);
	} else if (r->stage == DG_STAGE_INTENT || r->on_server) {
		forget_in(r, ON_SERVER_FOR);
	} else if (r->stage == DG_STAGE_STARTED) {
		r->here = l->ops->adopt_run(l->backend, r->id, dg_buf_str(&r->handle));
		r->adopting = true;
		if (!r->here) /* how it ended follows, if anybody knows */
			dg_launcher_timer(l, &r->forget, dg_now() + ENDS_FOLLOW,
				10 * DG_MSEC, on_nobody, r);
	}
}

void
dg_run_ended(struct dg_run *r, const char *status, const char *message)
{
	r->here = false;
	dg_run_status_set(r, status, message);
	dg_run_stage(r, DG_STAGE_ENDED, 0, NULL);
	forget_in(r, SHOWN_FOR);
}

void
dg_runs_backend(struct dg_launcher *l, const struct dg_backend_event *ev)
{
	struct dg_run *r = dg_map_get(&l->runs, dg_str(ev->id));
	bool asked = r && r->at && r->at->row->how == DG_HOW_LAUNCH;
	bool launching = asked && !r->adopting, waited = asked && r->adopting;
	bool adopted = r && r->adopting;

	if (!r)
		return;
	if (ev->type != DG_EV_RUN_HANDLE)
		r->adopting = false;
	switch (ev->type) {
	case DG_EV_RUN_HANDLE:
		dg_buf_reset(&r->handle);
		dg_buf_addstr(&r->handle, ev->handle);
		if (launching)
			dg_launching_event(r, DG_LAUNCH_EV_HANDLE);
		break;
	case DG_EV_RUN_STARTED:
		r->here = true;
		dg_run_status_set(r, DG_WORKER_RUNNING, NULL);
		if (launching)
			dg_launching_event(r, DG_LAUNCH_EV_STARTED);
		else if (adopted)
			dg_launching_adopted(r);
		break;
	case DG_EV_RUN_FAILED:
		r->here = false;
		r->status = NULL;
		dg_run_failed(r, ev->err);
		if (launching) {
			dg_launching_event(r, DG_LAUNCH_EV_FAILED);
		} else { /* adopted, and it never started */
			dg_launcher_gone(l, DG_HANDLE_RUN, r->id, r->deployment);
			r->known = false;
			if (!waited)
				dg_run_next(r);
		}
		break;
	case DG_EV_RUN_EXIT:
		if (adopted)
			dg_launching_adopted(r);
		dg_run_exited(r, &ev->exit);
		if (launching) /* over before it was said that it began */
			dg_launching_event(r, DG_LAUNCH_EV_STARTED);
		break;
	default:
		break;
	}
	if (waited && ev->type != DG_EV_RUN_HANDLE)
		dg_launching_begin(r);
}
