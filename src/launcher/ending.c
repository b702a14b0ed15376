/* launcher/ending.c: TERMINATE_RUN: what the machine in terminate.c wants done. See
 * launcher.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "dagster/error.h"
#include "grpc/proto.h"
#include "launcher/launcher.h"
#include "log/log.h"

#define RUN_GRACE 30 /* seconds, where the settings do not say */

static void perform(struct dg_run *r, unsigned todo);

/* From the signal that Dagster expects to harder ones. */
static dg_usec
grace(const struct dg_settings *s)
{
	return (dg_usec)(dg_settings_has(s, "daglet.run_grace")
				 ? dg_settings_int(s, "daglet.run_grace")
				 : RUN_GRACE) *
	       DG_SEC;
}

void
dg_ending_event(struct dg_run *r, enum dg_terminate_event ev)
{
	perform(r, dg_terminate_event(&r->terminate, ev));
}

static int
on_barrier(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_run *r = arg;

	(void)s;
	(void)usec;
	if (r->at->held_in)
		return 0; /* the location decides, or the request's own expiry */
	dg_errand_forget(TAKE_PTR(r->errand));
	dg_run_error(r, DG_CLS_EXCEPTION,
		"The control plane did not store within %llu seconds that run %s is "
		"being "
		"canceled.",
		(unsigned long long)(DG_TERMINATE_BARRIER / DG_SEC), r->id);
	dg_ending_event(r, DG_TERM_EV_TIMEOUT);
	return 0;
}

void
dg_ending_begin(struct dg_run *r)
{
	enum dg_terminate_how how = r->l->tuning.isolated_agents ? DG_TERM_MARK
				    : r->said.isolated           ? DG_TERM_WORKER
								 : DG_TERM_SERVER;

	dg_launcher_timer(r->l, &r->timer, dg_now() + DG_TERMINATE_BARRIER, 100 * DG_MSEC,
		on_barrier, r);
	perform(r, dg_terminate_begin(&r->terminate, how));
}

static void
heard(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_run *r = arg;

	r->errand = NULL;
	dg_ending_event(r, dg_run_refused(r, m) ? DG_TERM_EV_STRANGER : DG_TERM_EV_HEARD);
}

static void
event(struct dg_run *r)
{
	enum dg_event what = r->terminate.how == DG_TERM_MARK ? DG_EVENT_CANCEL_ASKED
							      : DG_EVENT_TERMINATE_ASKED;

	r->errand = dg_run_queue_event(r, what, DG_STR_NULL, heard);
}

static void
asked(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_run *r = arg;
	enum dg_run_status st =
		m->cls ? DG_RUN_UNKNOWN
		       : dg_run_records_status(dg_strn(m->body.p, m->body.n));

	r->errand = NULL;
	dg_ending_event(r, st == DG_RUN_UNKNOWN ? DG_TERM_EV_UNASKED
			   : st == DG_RUN_NONE || st == DG_RUN_FINISHED
				   ? DG_TERM_EV_FINISHED
				   : DG_TERM_EV_ALIVE);
}

static void
ask(struct dg_run *r)
{
	auto_buf b = DG_BUF_INIT;

	dg_run_records_variables(&b, r->id);
	r->errand = dg_calls_text(&r->l->calls, DG_CALL_OP_GET_RUN_RECORDS, r->deployment,
		NULL, NULL, NULL, dg_buf_str(&b), asked, r);
}

static void
marked(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_run *r = arg;

	r->errand = NULL;
	if (m->cls)
		dg_run_error(r, DG_CLS_CLOUD, "%.*s", DG_FMT(m->text));
	dg_ending_event(r, m->cls ? DG_TERM_EV_UNMARKED : DG_TERM_EV_MARKED);
}

static void
mark(struct dg_run *r)
{
	r->errand = dg_run_queue_event(r, DG_EVENT_CANCELING, DG_STR_NULL, marked);
}

/* The server that hosts it: waited for, as it may be on its way. */
static void
find(struct dg_run *r, bool call)
{
	struct dg_server *s = NULL;
	enum dg_loc_verdict verdict =
		r->said.location ? dg_relay_place(r->at, r->said.location, &s)
				 : DG_LOC_ERROR;

	if (s && call) {
		dg_relay_enqueue(r->at, s);
	} else if (s) {
		dg_ending_event(r, DG_TERM_EV_SERVER);
	} else if (verdict == DG_LOC_HOLD && !r->at->unlisted) {
		dg_relay_hold(r->at, r->said.location);
	} else {
		dg_buf_reset(&r->trouble);
		dg_relay_no_server(r->l, r->deployment,
			r->said.location ? r->said.location : "", &r->trouble);
		dg_ending_event(r, DG_TERM_EV_NO_SERVER);
	}
}

void
dg_ending_released(struct dg_run *r)
{
	find(r, r->terminate.state == DG_TERM_CALLING);
}

static void
cancel_done(void *arg, struct dg_call *c, struct dg_reply *reply)
{
	struct dg_run *r = arg;

	(void)c;
	r->call = NULL;
	dg_relay_slot_free(r->at, reply->status == DG_GRPC_DEADLINE_EXCEEDED);
	if (reply->status != DG_GRPC_OK) {
		dg_buf_reset(&r->trouble);
		dg_error_add_unreachable(&r->trouble, dg_grpc_status_name(reply->status),
			(int64_t)(r->l->tuning.unary / DG_SEC), false, reply->text);
	}
	dg_ending_event(
		r, reply->status == DG_GRPC_OK ? DG_TERM_EV_CALLED : DG_TERM_EV_UNCALLED);
}

void
dg_ending_go(struct dg_run *r)
{
	auto_buf m = DG_BUF_INIT, text = DG_BUF_INIT;

	dg_run_cancel_args(r->id, &text);
	dg_pb_add_str(&m, 1, dg_buf_str(&text));
	r->call = dg_server_call(
		r->at->server, "CancelExecution", r->l->tuning.unary, &m, cancel_done, r);
	if (!r->call) {
		dg_relay_slot_free(r->at, false);
		dg_run_error(r, DG_CLS_UNREACHABLE, "Could not reach user code server");
		dg_ending_event(r, DG_TERM_EV_UNCALLED);
	}
}

static void
perform(struct dg_run *r, unsigned todo)
{
	if (todo & DG_TERM_DO_EVENT)
		event(r);
	if (todo & DG_TERM_DO_ASK)
		ask(r);
	if (todo & DG_TERM_DO_SAY)
		dg_logkv(LOG_WARNING, DG_KV({"run", r->id}, {"dep", r->deployment}),
			"the run is stopped although the control plane has not stored "
			"that it "
			"is being canceled; it may end as failed");
	if ((todo & DG_TERM_DO_STOP) && r->here)
		r->l->ops->run_stop(r->l->backend, r->id, grace(r->l->w->settings));
	if (todo & DG_TERM_DO_OK)
		dg_relay_ok(dg_run_pop(r));
	if (todo & DG_TERM_DO_ERROR)
		dg_relay_error(dg_run_pop(r), dg_buf_str(&r->trouble));
	if (todo & (DG_TERM_DO_OK | DG_TERM_DO_ERROR)) {
		dg_run_next(r);
		return;
	}
	/* These may come back here at once, and end it. */
	if (todo & DG_TERM_DO_SERVER)
		find(r, false);
	else if (todo & DG_TERM_DO_MARK)
		mark(r);
	else if (todo & DG_TERM_DO_CALL)
		find(r, true);
}
