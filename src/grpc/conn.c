/* grpc/conn.c: HTTP/2 on one socket. */
#include "grpc/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define DIAL_LIMIT (20 * DG_SEC)
/* Windows bound what is in memory; on loopback a larger one is no faster. */
#define STREAM_WINDOW (1 << 20)
#define CONN_WINDOW (2 << 20)
/* gRPC trailers carry exception texts. nghttp2 takes 64 KB of header block; a server that
 * is told so cuts its text instead of losing the connection. */
#define HEADER_LIST_MAX 60000
#define READ_CHUNK 65536
#define READS_PER_TURN 8
#define OUT_CHUNK 65536
#define PREFIX 5 /* of a gRPC message: flag and length */

static char read_buf[READ_CHUNK]; /* the loop has one thread */

static void __attribute__((format(printf, 3, 4)))
die(struct dg_conn *c, int num, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (c->dead)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	dg_fail(&c->why, DG_TRANSPORT, num, "%s", text);
	c->dead = true;
	dg_channel_wake(c->ch);
}

/* nghttp2's callbacks. */

static ssize_t
read_body(nghttp2_session *s, int32_t stream, uint8_t *buf, size_t len, uint32_t *flags,
	nghttp2_data_source *source, void *arg)
{
	struct dg_call *call = nghttp2_session_get_stream_user_data(s, stream);
	size_t n = 0, at;

	(void)source, (void)arg;
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	for (; call->off < PREFIX && n < len; n++, call->off++)
		buf[n] = call->off == 0 ? 0
					: (uint8_t)(call->message.n >>
						    (8 * (PREFIX - 1 - call->off)));
	at = call->off - PREFIX;
	if (call->off >= PREFIX) {
		size_t take = call->message.n - at;

		if (take > len - n)
			take = len - n;
		if (take)
			memcpy(buf + n, call->message.p + at, take);
		n += take;
		call->off += take;
		if (call->off == PREFIX + call->message.n)
			*flags |= NGHTTP2_DATA_FLAG_EOF;
	}
	return (ssize_t)n;
}

static int
before_send(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	struct dg_conn *c = arg;
	struct dg_call *call;

	if (f->hd.type != NGHTTP2_HEADERS)
		return 0;
	call = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);
	if (call && !call->packed) {
		call->packed = true;
		call->first = c->packed;
	}
	return 0;
}

static int
on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t name_n,
	const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct dg_call *call = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);
	struct dg_str k = dg_strn((const char *)name, name_n);
	struct dg_str v = dg_strn((const char *)value, value_n);

	(void)flags, (void)arg;
	if (!call || f->hd.type != NGHTTP2_HEADERS)
		return 0;
	if (dg_str_is(k, ":status"))
		call->http = v.n == 3 ? atoi(v.p) : 0;
	else if (dg_str_is(k, "content-type"))
		call->is_grpc = dg_str_starts(v, "application/grpc");
	else if (dg_str_is(k, "grpc-encoding"))
		call->reader.gzip = dg_str_is(v, "gzip");
	else if (dg_str_is(k, "grpc-status"))
		call->grpc = dg_grpc_status_parse(v);
	else if (dg_str_is(k, "grpc-message")) {
		dg_buf_reset(&call->text);
		dg_grpc_text_decode(v, &call->text);
	}
	return 0;
}

static int
on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *p, size_t n,
	void *arg)
{
	struct dg_conn *c = arg;
	struct dg_call *call = nghttp2_session_get_stream_user_data(s, stream);
	struct dg_err e = {0};
	int rc;

	(void)flags;
	if (!call || !call->is_grpc)
		return 0;
	rc = dg_reader_feed(&call->reader, (const char *)p, n, &e);
	if (rc < 0) {
		dg_conn_reset(c, call);
		dg_call_failed(call, -rc, &e);
	}
	return 0;
}

static int
on_frame(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	struct dg_conn *c = arg;

	(void)s;
	if (f->hd.type == NGHTTP2_GOAWAY && !c->draining) {
		c->draining = true;
		dg_channel_wake(c->ch);
	}
	return 0;
}

static int
on_close(nghttp2_session *s, int32_t stream, uint32_t error, void *arg)
{
	struct dg_call *call = nghttp2_session_get_stream_user_data(s, stream);

	(void)arg;
	if (call)
		dg_call_closed(call, error);
	return 0;
}

static void
session_new(struct dg_conn *c)
{
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
	};
	nghttp2_session_callbacks *cb;
	nghttp2_option *opt;

	/* Each fails only for want of memory. */
	DG_ASSERT(nghttp2_session_callbacks_new(&cb) == 0);
	nghttp2_session_callbacks_set_before_frame_send_callback(cb, before_send);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	DG_ASSERT(nghttp2_option_new(&opt) == 0);
	nghttp2_option_set_no_http_messaging(opt, 1);
	nghttp2_option_set_peer_max_concurrent_streams(opt, 1000);
	/* No table of headers sent: a few bytes more per call, kilobytes less per server.
	 * Not so for what it sends: gRPC's server answers an overdue call by a block made
	 * by hand that does not begin with the new size, which ends the connection. */
	nghttp2_option_set_max_deflate_dynamic_table_size(opt, 0);
	DG_ASSERT(nghttp2_session_client_new2(&c->session, cb, c, opt) == 0);
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	DG_ASSERT(nghttp2_submit_settings(
			  c->session, NGHTTP2_FLAG_NONE, settings, DG_N(settings)) == 0);
	DG_ASSERT(nghttp2_session_set_local_window_size(
			  c->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW) == 0);
}

/* The socket. */

static void
watch(struct dg_conn *c)
{
	uint32_t want = EPOLLIN | (c->out_off < c->out.n ? EPOLLOUT : 0);

	if (sd_event_source_set_io_events(c->io, want) < 0)
		die(c, ENOMEM, "cannot watch the connection to %s", c->ch->address);
}

/* Take frames from the session until there are enough for one write. */
static void
fill(struct dg_conn *c)
{
	dg_buf_reset(&c->out);
	c->out_off = 0;
	while (c->out.n < OUT_CHUNK) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(c->session, &p);

		if (n < 0)
			die(c, 0, "HTTP/2 to %s: %s", c->ch->address,
				nghttp2_strerror((int)n));
		if (n <= 0)
			return;
		dg_buf_add(&c->out, p, (size_t)n);
		c->packed += (uint64_t)n;
	}
}

void
dg_conn_flush(struct dg_conn *c)
{
	c->dirty = false;
	while (c->session && !c->dead) {
		ssize_t n;

		if (c->out_off == c->out.n) {
			fill(c);
			if (!c->out.n)
				break;
		}
		n = send(c->fd, c->out.p + c->out_off, c->out.n - c->out_off,
			MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			die(c, errno, "the connection to %s broke", c->ch->address);
		if (n < 0)
			break;
		c->written += (uint64_t)n;
		c->out_off += (size_t)n;
	}
	if (!c->session || c->dead)
		return;
	if (c->out_off == c->out.n)
		dg_buf_clear(&c->out); /* an idle connection holds no buffer */
	watch(c);
	if (!nghttp2_session_want_read(c->session) &&
		!nghttp2_session_want_write(c->session))
		die(c, 0,
			"the connection to %s ended: the server closed it or broke "
			"HTTP/2",
			c->ch->address);
}

/* What is not HTTP/2 at all deserves a better word than a frame error. */
static bool
foreign(struct dg_conn *c, const char *p, size_t n)
{
	if (c->heard)
		return false;
	if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
		die(c, 0, "%s does not speak gRPC (it answers in HTTP/1)",
			c->ch->address);
		return true;
	}
	/* The first frame is SETTINGS: its type is the fourth byte. */
	if (n >= 4 && p[3] != NGHTTP2_SETTINGS) {
		die(c, 0, "%s does not speak gRPC (its first bytes are not HTTP/2)",
			c->ch->address);
		return true;
	}
	return false;
}

static void
receive(struct dg_conn *c)
{
	for (int i = 0; i < READS_PER_TURN && !c->dead; i++) {
		ssize_t n = recv(c->fd, read_buf, sizeof read_buf, 0), used;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			die(c, errno, "the connection to %s broke", c->ch->address);
			return;
		}
		if (n == 0) {
			die(c, 0, "%s closed the connection", c->ch->address);
			return;
		}
		if (foreign(c, read_buf, (size_t)n))
			return;
		c->heard = dg_now();
		dg_channel_heard(c->ch, c);
		used = nghttp2_session_mem_recv(
			c->session, (const uint8_t *)read_buf, (size_t)n);
		if (used < 0) {
			die(c, 0, "HTTP/2 from %s: %s", c->ch->address,
				nghttp2_strerror((int)used));
			return;
		}
		if ((size_t)n < sizeof read_buf)
			return;
	}
}

static int
on_io(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_conn *c = arg;

	(void)s, (void)fd;
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(c);
	dg_conn_flush(c);
	dg_channel_settle(c->ch);
	return 0;
}

static void
on_dialed(void *arg, int fd, const struct dg_err *e)
{
	struct dg_conn *c = arg;
	struct dg_call *call, *next;
	int rc;

	if (e)
		c->why = *e; /* it goes with the dial */
	dg_dial_free(c->dial);
	c->dial = NULL;
	if (fd < 0)
		c->dead = true;
	else {
		c->fd = fd;
		rc = sd_event_add_io(c->ch->event, &c->io, fd, EPOLLIN, on_io, c);
		if (rc < 0)
			die(c, -rc, "cannot watch the connection to %s", c->ch->address);
		else {
			session_new(c);
			for (call = TAILQ_FIRST(&c->calls); call; call = next) {
				next = TAILQ_NEXT(call, link);
				dg_conn_submit(c, call);
			}
			dg_conn_flush(c);
		}
	}
	dg_channel_settle(c->ch);
}

struct dg_conn *
dg_conn_new(struct dg_channel *ch, bool bulk)
{
	struct dg_conn *c = dg_new(struct dg_conn);

	c->ch = ch;
	c->bulk = bulk;
	c->fd = -1;
	TAILQ_INIT(&c->calls);
	c->dial = dg_dial_start(ch->event, ch->address, DIAL_LIMIT, on_dialed, c);
	return c;
}

void
dg_conn_free(struct dg_conn *c)
{
	DG_ASSERT(TAILQ_EMPTY(&c->calls));
	dg_dial_free(c->dial);
	sd_event_source_disable_unref(c->io);
	nghttp2_session_del(c->session);
	dg_closep(&c->fd);
	dg_buf_clear(&c->out);
	free(c);
}

static void
add_header(nghttp2_nv *nv, size_t *n, const char *name, const char *value)
{
	nv[(*n)++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value,
		.namelen = strlen(name),
		.valuelen = strlen(value)};
}

/* Hand the call to the session; while there is none yet it waits in the list. */
void
dg_conn_submit(struct dg_conn *c, struct dg_call *call)
{
	nghttp2_data_provider body = {.read_callback = read_body};
	char timeout[16];
	dg_usec now = dg_now();
	auto_free nghttp2_nv *nv = NULL;
	size_t n = 0;

	if (!c->session)
		return;
	nv = dg_xcalloc(9 + call->spec.metas, sizeof *nv);
	add_header(nv, &n, ":method", "POST");
	add_header(nv, &n, ":scheme", "http");
	add_header(nv, &n, ":path", call->path);
	add_header(nv, &n, ":authority", dg_dial_authority(c->ch->address));
	add_header(nv, &n, "te", "trailers");
	add_header(nv, &n, "content-type", "application/grpc");
	add_header(nv, &n, "user-agent", PACKAGE_NAME "/" PACKAGE_VERSION);
	add_header(nv, &n, "grpc-accept-encoding", "identity,gzip");
	add_header(nv, &n, "grpc-timeout",
		dg_grpc_timeout(
			call->deadline > now ? call->deadline - now : 0, timeout));
	for (size_t i = 0; i < call->spec.metas; i++)
		add_header(nv, &n, call->meta[2 * i], call->meta[2 * i + 1]);
	call->stream = nghttp2_submit_request(c->session, NULL, nv, n, &body, call);
	if (call->stream < 0) {
		/* Stream ids are used up after 2^30 calls, or there is no memory: this
		 * connection takes no more, and the next one does. */
		c->draining = true;
		call->stream = 0;
		dg_call_closed(call, NGHTTP2_REFUSED_STREAM);
	}
	c->dirty = true;
	dg_channel_wake(c->ch);
}

void
dg_conn_reset(struct dg_conn *c, struct dg_call *call)
{
	if (!c || !c->session || call->stream <= 0)
		return;
	nghttp2_session_set_stream_user_data(c->session, call->stream, NULL);
	nghttp2_submit_rst_stream(
		c->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
	c->dirty = true;
	dg_channel_wake(c->ch);
}

void
dg_conn_ping(struct dg_conn *c)
{
	nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
	c->dirty = true;
	dg_channel_wake(c->ch);
}
