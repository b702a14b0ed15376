/* launcher/launching.c: LAUNCH_RUN: what the machine in launch.c wants done. See
 * launcher.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "dagster/error.h"
#include "grpc/proto.h"
#include "launcher/launcher.h"
#include "log/log.h"
#include "json/json.h"
#include "json/write.h"

static void perform(struct dg_run *r, unsigned todo);

void
dg_launching_event(struct dg_run *r, enum dg_launch_event ev)
{
	perform(r, dg_launch_event(&r->launch, ev));
}

void
dg_launching_begin(struct dg_run *r)
{
	enum dg_launch_known known = DG_KNOWN_NOTHING;

	if (r->adopting)
		return; /* dg_runs_backend() comes back here */
	if (r->known)
		known = r->stage == DG_STAGE_INTENT ? DG_KNOWN_INTENT : DG_KNOWN_STARTED;
	r->on_server = !r->said.isolated;
	perform(r, dg_launch_begin(&r->launch, r->said.isolated, known));
}

static void
committed(struct dg_launcher *l, const char *id, enum dg_launch_event ev)
{
	struct dg_run *r = dg_map_get(&l->runs, dg_str(id));

	if (r && r->at && r->at->row->how == DG_HOW_LAUNCH)
		dg_launching_event(r, ev);
}

static void
intent_ok(struct dg_launcher *l, const char *id)
{
	committed(l, id, DG_LAUNCH_EV_INTENT_OK);
}

static void
handle_ok(struct dg_launcher *l, const char *id)
{
	committed(l, id, DG_LAUNCH_EV_HANDLE_OK);
}

static void
commit_intent(struct dg_run *r)
{
	char nonce[33];
	struct dg_commit c = {
		.type = DG_MSG_INTENT,
		.request = r->at->id,
		.key = r->id,
		.deployment = r->deployment,
		.nonce = nonce,
		.done = intent_ok,
	};

	dg_random_hex(nonce, 32);
	r->known = true;
	r->stage = DG_STAGE_INTENT;
	dg_launcher_commit(r->l, &c);
}

static void
heard(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_run *r = arg;

	r->errand = NULL;
	r->timer = sd_event_source_disable_unref(r->timer);
	dg_launching_event(
		r, dg_run_refused(r, m) ? DG_LAUNCH_EV_STRANGER : DG_LAUNCH_EV_HEARD);
}

static int
on_silence(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_run *r = arg;

	(void)s;
	(void)usec;
	dg_errand_forget(TAKE_PTR(r->errand));
	dg_launching_event(r, DG_LAUNCH_EV_HEARD);
	return 0;
}

static void
hello(struct dg_run *r)
{
	r->errand = dg_run_queue_event(r, DG_EVENT_LAUNCHING, DG_STR_NULL, heard);
	dg_launcher_timer(
		r->l, &r->timer, dg_now() + DG_LAUNCH_WORD, 10 * DG_MSEC, on_silence, r);
}

static void
agent_tags(struct dg_run *r)
{
	auto_buf tags = DG_BUF_INIT;

	dg_tags_agent(&tags, r->l->agent_id, dg_launcher_label(r->l));
	dg_run_queue_tags(r, dg_buf_str(&tags));
}

static void
worker_tags(struct dg_run *r)
{
	auto_buf tags = DG_BUF_INIT;

	r->l->ops->run_tags(r->l->backend, r->id, &tags);
	dg_run_queue_tags(r, dg_buf_str(&tags));
}

void
dg_launching_adopted(struct dg_run *r)
{
	agent_tags(r);
	worker_tags(r);
}

static void
events(struct dg_run *r)
{
	agent_tags(r);
	if (!r->said.isolated)
		dg_run_queue_event(r, DG_EVENT_NOT_ISOLATED, DG_STR_NULL, NULL);
}

/* Isolated: the backend. */

static const char *
from_env(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

/* Arguments belong into the environment: the instance ref may hold a token, and an argv is
 * for everybody to read. A release that does not look there (or that nobody asked yet)
 * gets them as it knows them. */
static bool
args_in_env(const struct dg_run *r)
{
	struct dg_place *p = r->said.location ? dg_place_find(r->l, dg_str(r->deployment),
							dg_str(r->said.location))
					      : NULL;

	return p && p->args_in_env;
}

static int
start(struct dg_run *r, struct dg_err *e)
{
	struct dg_launcher *l = r->l;
	auto_strv argv = {0}, env = {0};
	auto_free char *owner = dg_xasprintf("%s/%u", l->installation, l->slot);
	auto_free char *image = NULL;
	struct dg_str context;
	struct dg_run_spec spec;
	int err;

	err = dg_run_worker(&r->said, dg_launcher_ref(l, r->deployment, true),
		args_in_env(r), from_env, NULL, &argv, &env, e);
	if (err < 0)
		return err;
	image = dg_json_member_dup(r->said.repository, "container_image");
	if (!dg_json_member(r->said.repository, "container_context", &context) ||
		dg_json_is_null(context))
		context = DG_STR("{}");
	spec = (struct dg_run_spec){
		.run_id = r->id,
		.deployment = r->deployment,
		.nonce = "",
		.argv = (const char *const *)argv.v,
		.env = (const char *const *)env.v,
		.image = image,
		.container_context = context,
		.owner = owner,
	};
	return l->ops->run_start(l->backend, &spec, e);
}

/* On the code server. */

static struct dg_server *
server_of(struct dg_run *r, enum dg_loc_verdict *verdict)
{
	struct dg_server *s = NULL;

	*verdict = r->said.location ? dg_relay_place(r->at, r->said.location, &s)
				    : DG_LOC_ERROR;
	return s;
}

static void
find_server(struct dg_run *r)
{
	enum dg_loc_verdict verdict;

	server_of(r, &verdict);
	if (verdict == DG_LOC_HOLD && !r->at->unlisted) {
		dg_relay_hold(r->at, r->said.location);
		return;
	}
	if (verdict == DG_LOC_SERVE) {
		dg_launching_event(r, DG_LAUNCH_EV_SERVER);
		return;
	}
	dg_buf_reset(&r->trouble);
	dg_relay_no_server(r->l, r->deployment, r->said.location ? r->said.location : "",
		&r->trouble);
	dg_launching_event(r, DG_LAUNCH_EV_NO_SERVER);
}

void
dg_launching_released(struct dg_run *r)
{
	if (r->launch.state == DG_LAUNCH_CALLING) { /* it waited for a slot of another */
		enum dg_loc_verdict verdict;
		struct dg_server *s = server_of(r, &verdict);

		if (s) {
			dg_relay_enqueue(r->at, s);
		} else if (verdict == DG_LOC_HOLD && !r->at->unlisted) {
			dg_relay_hold(r->at, r->said.location);
		} else {
			dg_buf_reset(&r->trouble);
			dg_relay_no_server(
				r->l, r->deployment, r->said.location, &r->trouble);
			dg_launching_event(r, DG_LAUNCH_EV_REFUSED);
		}
		return;
	}
	find_server(r);
}

static void
place_tags(struct dg_run *r, const struct dg_server *s)
{
	auto_buf handle = DG_BUF_INIT, info = DG_BUF_INIT;

	dg_tags_server_handle(&handle, s->tag);
	dg_run_queue_tags(r, dg_buf_str(&handle));
	dg_tags_grpc_info(&info, s->endpoint);
	dg_run_queue_tags(r, dg_buf_str(&info));
}

static void
start_done(void *arg, struct dg_call *c, struct dg_reply *reply)
{
	struct dg_run *r = arg;
	struct dg_run_result res;
	struct dg_err e = {0};

	(void)c;
	r->call = NULL;
	dg_relay_slot_free(r->at, reply->status == DG_GRPC_DEADLINE_EXCEEDED);
	if (reply->status != DG_GRPC_OK) {
		dg_buf_reset(&r->trouble);
		dg_error_add_unreachable(&r->trouble, dg_grpc_status_name(reply->status),
			(int64_t)(r->l->tuning.unary / DG_SEC), false, reply->text);
		dg_launching_event(
			r, reply->sent ? DG_LAUNCH_EV_LOST : DG_LAUNCH_EV_REFUSED);
		return;
	}
	if (dg_run_result_parse(dg_buf_str(&reply->field[1]), &res, &e) < 0) {
		dg_run_failed(r, &e);
	} else if (!res.success) {
		dg_buf_reset(&r->trouble);
		dg_run_result_error(&res, &r->trouble);
	}
	dg_launching_event(
		r, e.cls || !res.success ? DG_LAUNCH_EV_REFUSED : DG_LAUNCH_EV_ACCEPTED);
}

/* A slot is there. */
void
dg_launching_go(struct dg_run *r)
{
	struct dg_server *s = r->at->server;
	auto_buf args = DG_BUF_INIT, m = DG_BUF_INIT;
	struct dg_err e = {0};

	place_tags(r, s);
	if (dg_run_start_args(&r->said, dg_launcher_ref(r->l, r->deployment, true), &args,
		    &e) < 0) {
		dg_relay_slot_free(r->at, false);
		dg_run_failed(r, &e);
		dg_launching_event(r, DG_LAUNCH_EV_REFUSED);
		return;
	}
	dg_pb_add_str(&m, 1, dg_buf_str(&args));
	r->call = dg_server_call(s, "StartRun", r->l->tuning.unary, &m, start_done, r);
	if (!r->call) {
		dg_relay_slot_free(r->at, false);
		dg_run_error(r, DG_CLS_UNREACHABLE, "Could not reach user code server");
		dg_launching_event(r, DG_LAUNCH_EV_REFUSED);
	}
}

static void
look_done(void *arg, struct dg_call *c, struct dg_reply *reply)
{
	struct dg_run *r = arg;
	bool listed = false;
	bool seen =
		reply->status == DG_GRPC_OK &&
		dg_run_listed(dg_buf_str(&reply->field[1]), r->id, &listed, NULL) == 0;

	(void)c;
	r->call = NULL;
	dg_launching_event(r, !seen    ? DG_LAUNCH_EV_BLIND
			      : listed ? DG_LAUNCH_EV_CURRENT
				       : DG_LAUNCH_EV_NOT_CURRENT);
}

static void
look(struct dg_run *r)
{
	enum dg_loc_verdict verdict;
	struct dg_server *s = server_of(r, &verdict);
	auto_buf m = DG_BUF_INIT;

	r->call = s ? dg_server_call(
			      s, "GetCurrentRuns", r->l->tuning.unary, &m, look_done, r)
		    : NULL;
	if (!r->call)
		dg_launching_event(r, DG_LAUNCH_EV_BLIND);
}

static void
asked(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_run *r = arg;
	enum dg_run_status st =
		m->cls ? DG_RUN_UNKNOWN
		       : dg_run_records_status(dg_strn(m->body.p, m->body.n));

	r->errand = NULL;
	dg_launching_event(r, st == DG_RUN_UNKNOWN ? DG_LAUNCH_EV_BLIND
			      : st == DG_RUN_BEGUN || st == DG_RUN_FINISHED
				      ? DG_LAUNCH_EV_BEGUN
				      : DG_LAUNCH_EV_NOT_BEGUN);
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
perform(struct dg_run *r, unsigned todo)
{
	struct dg_err e = {0};

	if (todo & DG_LAUNCH_DO_INTENT)
		commit_intent(r);
	if (todo & DG_LAUNCH_DO_HELLO)
		hello(r);
	if (todo & DG_LAUNCH_DO_EVENTS)
		events(r);
	if ((todo & DG_LAUNCH_DO_START) && start(r, &e) < 0) {
		dg_run_failed(r, &e);
		dg_launching_event(r, DG_LAUNCH_EV_FAILED);
		return;
	}
	if (todo & DG_LAUNCH_DO_HANDLE)
		dg_run_stage(r, DG_STAGE_STARTED, r->at->id, handle_ok);
	if (todo & DG_LAUNCH_DO_RELEASE)
		r->l->ops->run_release(r->l->backend, r->id);
	if (todo & DG_LAUNCH_DO_TAGS)
		worker_tags(r);
	if (todo & DG_LAUNCH_DO_SERVER)
		find_server(r);
	if (todo & DG_LAUNCH_DO_CALL)
		dg_launching_released(r);
	if (todo & DG_LAUNCH_DO_TROUBLE)
		dg_run_queue_event(
			r, DG_EVENT_CALL_FAILED, dg_buf_str(&r->trouble), NULL);
	if (todo & DG_LAUNCH_DO_LOOK)
		look(r);
	if (todo & DG_LAUNCH_DO_ASK)
		ask(r);
	if (todo & DG_LAUNCH_DO_MARK)
		dg_run_stage(r, DG_STAGE_STARTED, r->at->id, NULL);
	if (todo & DG_LAUNCH_DO_FORGET) {
		dg_launcher_gone(r->l, DG_HANDLE_RUN, r->id, r->deployment);
		r->known = false;
	}
	if (todo & DG_LAUNCH_DO_OK)
		dg_relay_ok(dg_run_pop(r));
	if (todo & DG_LAUNCH_DO_ERROR)
		dg_relay_error(dg_run_pop(r), dg_buf_str(&r->trouble));
	if (todo & DG_LAUNCH_DO_MAYBE) {
		/* In doubt for as long as somebody may ask again. */
		dg_run_stage(r, DG_STAGE_INTENT, r->at->id, NULL);
		dg_relay_fail(dg_run_pop(r), DG_CLS_LAUNCH_FAILED,
			"The code server did not say whether it started run %s; it may "
			"have "
			"been started.",
			r->id);
	}
	if (todo & (DG_LAUNCH_DO_OK | DG_LAUNCH_DO_ERROR | DG_LAUNCH_DO_MAYBE))
		dg_run_next(r);
}
