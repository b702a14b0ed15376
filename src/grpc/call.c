/* grpc/call.c: the life of a call: checked, attached to a connection, finished once. */
#include "grpc/conn.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "daglet/crash.h"
#include "daglet/limits.h"

/* The server ends an overdue call by itself; ours comes a little later. */
#define DEADLINE_SLACK (100 * DG_MSEC)
/* The server is told the time in whole milliseconds. */
#define ROUNDING (2 * DG_MSEC)

static int
field_bytes(void *arg, uint32_t field, const char *p, size_t n, bool last)
{
	struct dg_call *call = arg;

	(void)last;
	if (field == call->spec.sink_field && call->spec.sink)
		return call->spec.sink(call->spec.arg, p, n, &call->sink_err);
	if (field < DG_REPLY_FIELDS)
		dg_buf_add(&call->reply.field[field], p, n);
	return 0;
}

static void
reader_start(struct dg_call *call)
{
	const struct dg_call_spec *s = &call->spec;

	dg_reader_clear(&call->reader);
	dg_reader_init(&call->reader,
		s->message_max ? s->message_max : call->ch->limits.receive_max,
		s->total_max ? s->total_max : DG_BODY_MAX,
		(struct dg_pb_handler){field_bytes, call});
}

static int
on_deadline(sd_event_source *source, uint64_t now, void *arg)
{
	struct dg_call *call = arg;
	struct dg_channel *ch = call->ch;

	(void)source, (void)now;
	dg_conn_reset(call->conn, call);
	dg_call_finish(call, DG_GRPC_DEADLINE_EXCEEDED, true, "Deadline Exceeded");
	dg_channel_settle(ch);
	return 0;
}

static int
utf8_field(void *arg, uint32_t field, const char *p, size_t n, bool last)
{
	(void)arg, (void)field, (void)last;
	return dg_str_utf8(dg_strn(p, n)) ? 0 : -DG_USER;
}

/* Code servers answer a string that is not UTF-8 with an INTERNAL that says little. */
static int
check_message(struct dg_str m)
{
	struct dg_pb_walk w = DG_PB_WALK_INIT;
	struct dg_pb_handler h = {utf8_field, NULL};
	int r = dg_pb_walk(&w, &h, m.p, m.n, NULL);

	return r < 0 ? r : dg_pb_walk_end(&w, NULL);
}

struct dg_call *
dg_call_start(
	struct dg_channel *ch, const struct dg_call_spec *spec, struct dg_buf *message)
{
	struct dg_call *call;

	if (ch->freed)
		return NULL;
	call = dg_new(struct dg_call);
	call->ch = ch;
	call->spec = *spec;
	call->http = call->grpc = -1;
	call->path = spec->method[0] == '/'
			     ? dg_xstrdup(spec->method)
			     : dg_xasprintf("/api.DagsterApi/%s", spec->method);
	call->meta = dg_xcalloc(2 * spec->metas + 1, sizeof *call->meta);
	for (size_t i = 0; i < spec->metas; i++) {
		call->meta[2 * i] = dg_xstrdup(spec->meta[i].name);
		call->meta[2 * i + 1] = dg_xstrdup(spec->meta[i].value);
	}
	call->spec.meta = NULL;
	call->spec.method = NULL;
	call->message = *message;
	*message = DG_BUF_INIT;
	call->deadline = dg_now() + spec->timeout;
	reader_start(call);
	ch->calls++;

	if (call->message.n > ch->limits.send_max)
		dg_call_finish(call, DG_GRPC_RESOURCE_EXHAUSTED, true,
			"Sent message larger than max (%zu vs. %zu)", call->message.n,
			ch->limits.send_max);
	else if (check_message(dg_buf_str(&call->message)) < 0)
		dg_call_finish(call, DG_GRPC_INTERNAL, true,
			"the request is not UTF-8: it was not sent");
	else if (sd_event_add_time(ch->event, &call->timer, CLOCK_MONOTONIC,
			 call->deadline + DEADLINE_SLACK, 10 * DG_MSEC, on_deadline,
			 call) < 0)
		dg_call_finish(
			call, DG_GRPC_INTERNAL, true, "no timer can be had for the call");
	else {
		(void)DG_CRASH_BEFORE(GRPC);
		dg_channel_attach(ch, call);
	}
	return call;
}

static void
leave_conn(struct dg_call *call)
{
	struct dg_conn *c = call->conn;

	if (!c)
		return;
	if (call->packed && c->written > call->first)
		call->reply.sent = true;
	if (c->session && call->stream > 0)
		nghttp2_session_set_stream_user_data(c->session, call->stream, NULL);
	TAILQ_REMOVE(&c->calls, call, link);
	call->conn = NULL;
	call->stream = 0;
	if (c->bulk || (c->draining && TAILQ_EMPTY(&c->calls)))
		dg_channel_wake(call->ch);
}

/* The call is over; `done` follows from settle. The text has our words unless the server
 * gave its own. */
static void
finish(struct dg_call *call, int status, int cls, const char *text)
{
	struct dg_reply *r = &call->reply;

	if (call->finished)
		return;
	(void)DG_CRASH_AFTER(GRPC);
	call->finished = true;
	leave_conn(call);
	call->timer = sd_event_source_disable_unref(call->timer);
	if (text && text[0]) {
		dg_buf_reset(&call->text);
		dg_buf_adds(&call->text, text);
	}
	r->status = status;
	r->text = dg_buf_str(&call->text);
	r->messages = call->reader.messages;
	r->bytes = call->reader.total;
	if (status != DG_GRPC_OK) {
		dg_fail(&r->err, cls, 0, "%s%s%.*s", dg_grpc_status_name(status),
			r->text.n ? ": " : "", DG_FMT(r->text));
		dg_err_where(&r->err, "%s%s", call->ch->address, call->path);
	}
	dg_reader_clear(&call->reader);
	dg_buf_clear(&call->message);
	TAILQ_INSERT_TAIL(&call->ch->finished, call, link);
	dg_channel_wake(call->ch);
}

void
dg_call_finish(struct dg_call *call, int status, bool local, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	call->reply.local = local;
	finish(call, status, dg_grpc_status_class(status), text);
}

/* The reader or the caller's sink said no. */
void
dg_call_failed(struct dg_call *call, int cls, const struct dg_err *e)
{
	if (call->sink_err.cls)
		e = &call->sink_err;
	call->reply.local = true;
	finish(call, cls == DG_LIMIT ? DG_GRPC_RESOURCE_EXHAUSTED : DG_GRPC_INTERNAL, cls,
		e->what);
}

/* Once more from the start, on another connection: the server has not seen it. */
static bool
again(struct dg_call *call)
{
	if (call->again || call->finished || call->ch->freed ||
		dg_now() >= call->deadline)
		return false;
	leave_conn(call);
	call->again = true;
	call->reply.sent = false;
	call->packed = false;
	call->off = 0;
	call->http = call->grpc = -1;
	call->is_grpc = false;
	dg_buf_reset(&call->text);
	reader_start(call);
	dg_channel_attach(call->ch, call);
	return true;
}

/* The stream has closed; what the server said decides. */
void
dg_call_closed(struct dg_call *call, uint32_t h2)
{
	struct dg_err e = {0};

	if (call->grpc == DG_GRPC_OK) {
		if (dg_reader_end(&call->reader, &e) < 0)
			dg_call_failed(call, DG_TRANSPORT, &e);
		else if (!call->spec.stream && call->reader.messages != 1)
			dg_call_finish(call, DG_GRPC_INTERNAL, true,
				"the server answered with %u messages instead of one",
				call->reader.messages);
		else
			finish(call, DG_GRPC_OK, 0, NULL);
	} else if ((call->grpc == DG_GRPC_CANCELLED ||
			   (call->grpc < 0 && h2 == NGHTTP2_CANCEL)) &&
		   dg_now() + ROUNDING >= call->deadline) {
		/* Its time is over for the server, too, which may say it in this way. */
		dg_call_finish(
			call, DG_GRPC_DEADLINE_EXCEEDED, false, "Deadline Exceeded");
	} else if (call->grpc == DG_GRPC_CANCELLED) {
		/* We did not ask for it: the server is on its way out. */
		dg_call_finish(call, DG_GRPC_UNAVAILABLE, false,
			"the server cancelled the call; it is probably shutting down");
	} else if (call->grpc > 0) {
		finish(call, call->grpc, dg_grpc_status_class(call->grpc), NULL);
	} else if (h2 == NGHTTP2_REFUSED_STREAM) {
		if (!again(call))
			dg_call_finish(call, DG_GRPC_UNAVAILABLE, true,
				"the server takes no more calls");
	} else if (call->http >= 0 && call->http != 200) {
		dg_call_finish(call, dg_grpc_status_of_http(call->http), true,
			"the server answered HTTP %d without a gRPC status", call->http);
	} else if (h2 != NGHTTP2_NO_ERROR) {
		dg_call_finish(call, DG_GRPC_UNAVAILABLE, true,
			"the server reset the call (%s)", nghttp2_http2_strerror(h2));
	} else {
		dg_call_finish(call, DG_GRPC_UNKNOWN, true,
			"the server ended the call without a gRPC status");
	}
}

/* The connection is gone. A new one may have the call if no byte of it left on an old
 * one; one that never came to be is an answer. */
void
dg_call_lost(struct dg_call *call, const struct dg_err *why)
{
	bool old = call->conn && call->conn->heard;
	bool left = call->conn && call->packed && call->conn->written > call->first;

	if (old && !left && again(call))
		return;
	dg_call_finish(call, DG_GRPC_UNAVAILABLE, true, "%s", why->what);
}

void
dg_call_cancel(struct dg_call *call)
{
	struct dg_channel *ch = call->ch;

	if (call->finished)
		TAILQ_REMOVE(&ch->finished, call, link);
	else {
		dg_conn_reset(call->conn, call);
		leave_conn(call);
	}
	ch->calls--;
	dg_call_destroy(call);
}

void
dg_call_destroy(struct dg_call *call)
{
	sd_event_source_disable_unref(call->timer);
	dg_reader_clear(&call->reader);
	dg_buf_clear(&call->message);
	dg_buf_clear(&call->text);
	for (size_t i = 0; i < DG_REPLY_FIELDS; i++)
		dg_buf_clear(&call->reply.field[i]);
	for (char **m = call->meta; *m; m++)
		free(*m);
	free(call->meta);
	free(call->path);
	free(call);
}
