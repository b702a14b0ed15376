/* launcher/query.c: requests that are one gRPC call. The reply passes through as text:
 * escaped as it arrives, in memory while it is small, in a memfd when it is not. See
 * launcher.h. */
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "dagster/answer.h"
#include "dagster/args.h"
#include "dagster/error.h"
#include "dagster/escape.h"
#include "grpc/proto.h"
#include "launcher/launcher.h"
#include "log/log.h"

#define SINK_PIECE (64 * 1024)

struct dg_reply_sink {
	struct dg_buf text; /* what is not in the memfd yet */
	struct dg_escape escape;
	int fd; /* -1: everything is in `text` */
};

static struct dg_reply_sink *
sink_new(void)
{
	struct dg_reply_sink *k = dg_new(struct dg_reply_sink);

	k->fd = -1;
	dg_answer_grpc_begin(&k->text);
	return k;
}

static void
sink_free(struct dg_reply_sink *k)
{
	if (!k)
		return;
	dg_buf_clear(&k->text);
	dg_closep(&k->fd);
	free(k);
}

void
dg_query_free(struct dg_request *r)
{
	if (r->call)
		dg_call_cancel(TAKE_PTR(r->call));
	sink_free(TAKE_PTR(r->sink));
}

static int
spill(struct dg_reply_sink *k, struct dg_err *e)
{
	if (k->fd < 0 && (k->fd = dg_memfd("answer", e)) < 0)
		return -DG_TRANSPORT;
	if (dg_write_all(k->fd, k->text.p, k->text.n, e) < 0)
		return -DG_TRANSPORT;
	dg_buf_reset(&k->text);
	return 0;
}

static int
sink_feed(void *arg, const char *p, size_t n, struct dg_err *e)
{
	struct dg_reply_sink *k = ((struct dg_request *)arg)->sink;
	int r = dg_escape_feed(&k->escape, dg_strn(p, n), &k->text, e);

	if (r == 0 && k->text.n > SINK_PIECE)
		r = spill(k, e);
	return r;
}

/* The reply is whole: make it the answer. */
static int
finish(struct dg_request *r, struct dg_blob *ret, struct dg_err *e)
{
	struct dg_telemetry t = {r->submitted, r->started, dg_wall_usec()};
	struct dg_reply_sink *k = r->sink;
	int err = dg_escape_end(&k->escape, e);

	if (err < 0)
		return err;
	dg_answer_grpc_end(&k->text, &t);
	if (k->fd < 0)
		return dg_blob_from(ret, dg_buf_str(&k->text), e);
	if ((err = spill(k, e)) < 0 || (err = dg_memfd_seal(k->fd, e)) < 0)
		return err;
	return dg_blob_from_fd(ret, TAKE_FD(k->fd), e);
}

static void call(struct dg_request *r, const char *method, bool stream);

static void
failed(struct dg_request *r, const struct dg_reply *reply)
{
	int status = reply->status;
	auto_buf error = DG_BUF_INIT;

	/* A draining server cancels what nobody asked it to. */
	if (status == DG_GRPC_CANCELLED)
		status = DG_GRPC_UNAVAILABLE;
	if (reply->local && reply->err.cls == DG_USER)
		dg_error_add(
			&error, DG_CLS_EXCEPTION, dg_str(reply->err.what), DG_STR_NULL);
	else
		dg_error_add_unreachable(&error, dg_grpc_status_name(status),
			(int64_t)(r->timeout / DG_SEC),
			r->kind == DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA,
			reply->text);
	dg_relay_error(r, dg_buf_str(&error));
}

static void
done(void *arg, struct dg_call *c, struct dg_reply *reply)
{
	struct dg_request *r = arg;
	struct dg_server *s = r->server;
	struct dg_blob body = DG_BLOB_INIT;
	struct dg_err e = {0};

	(void)c;
	r->call = NULL;
	if (reply->status == DG_GRPC_UNIMPLEMENTED && r->row->fallback && !r->fell_back &&
		s->channel) {
		r->fell_back = true;
		call(r, r->row->fallback, true);
		return;
	}
	if (reply->status == DG_GRPC_OK)
		dg_place_alive(s);
	dg_relay_slot_free(r, reply->status == DG_GRPC_DEADLINE_EXCEEDED);
	if (reply->status != DG_GRPC_OK) {
		failed(r, reply);
	} else if (r->row->how == DG_HOW_REFRESH && reply->field[1].n) {
		/* field 1 is an error, and then it is the answer */
		sink_free(r->sink);
		r->sink = sink_new();
		if (sink_feed(r, reply->field[1].p, reply->field[1].n, &e) == 0 &&
			finish(r, &body, &e) == 0)
			dg_relay_answer(r, "ok", &body);
		else
			dg_relay_fail(r, DG_CLS_EXCEPTION, "%s", e.what);
	} else if (finish(r, &body, &e) < 0) {
		dg_relay_fail(r, DG_CLS_EXCEPTION, "%s", e.what);
	} else {
		dg_relay_answer(r, "ok", &body);
	}
	sink_free(TAKE_PTR(r->sink));
}

static void
add_key(void *arg, struct dg_str key)
{
	dg_pb_add_str(arg, 1, key);
}

/* The message, or an error that is the request's. */
static int
compose(struct dg_request *r, struct dg_buf *message, struct dg_err *e)
{
	struct dg_launcher *l = r->l;
	auto_buf text = DG_BUF_INIT;
	struct dg_str args;
	int err = dg_args(dg_blob_str(&r->body), &args, e);

	if (err < 0)
		return err;
	r->timeout =
		(dg_usec)dg_args_deadline(r->kind, args, &l->tuning.timeouts) * DG_SEC;
	if (r->row->how == DG_HOW_REFRESH)
		return dg_args_state_keys(args, add_key, message, e);
	err = dg_args_compose(r->kind, args,
		r->row->ref ? dg_launcher_ref(l, r->deployment, true) : DG_STR_NULL,
		&l->tuning.timeouts, &text, e);
	if (err < 0)
		return err;
	dg_pb_add_str(message, 1, dg_buf_str(&text));
	return 0;
}

static void
call(struct dg_request *r, const char *method, bool stream)
{
	struct dg_server *s = r->server;
	auto_buf message = DG_BUF_INIT;
	struct dg_err e = {0};
	struct dg_call_spec spec;

	if (compose(r, &message, &e) < 0) {
		dg_relay_slot_free(r, false);
		dg_relay_fail(r, DG_CLS_DESERIALIZE, "%s", e.what);
		return;
	}
	sink_free(r->sink);
	r->sink = sink_new();
	spec = (struct dg_call_spec){
		.method = method,
		.timeout = r->timeout,
		.stream = stream,
		.sink_field = stream ? 2 : (uint32_t)r->row->reply,
		.sink = sink_feed,
		.done = done,
		.arg = r,
	};
	r->call = dg_call_start(s->channel, &spec, &message);
	if (!r->call) {
		dg_relay_slot_free(r, false);
		dg_relay_fail(r, DG_CLS_UNREACHABLE, "Could not reach user code server");
	}
}

void
dg_query_go(struct dg_request *r)
{
	call(r, r->row->method, r->row->how == DG_HOW_STREAM);
}
