/* status/server.c: see server.h.
 *
 * libmicrohttpd has an epoll descriptor of its own; the loop watches that and calls
 * MHD_run(). What it wants to be woken for goes into one timer per server.
 */
#include "status/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/mem.h"

#define CONNECTIONS_MAX 32u
#define IDLE_SECS 30u
#define MEMORY_PER_CONNECTION ((size_t)16384) /* request line and headers */

struct dg_exchange {
	LIST_ENTRY(dg_exchange) entry;
	struct dg_server *server;
	struct MHD_Connection *connection;
	char *path;
	bool orders;
	struct MHD_Response *response;
	unsigned code;
	bool suspended;
	dg_usec deadline; /* of the one who was asked to reply later */
};

struct dg_server {
	struct MHD_Daemon *daemon;
	sd_event_source *io, *timer;
	const struct dg_server_ops *ops;
	void *arg;
	LIST_HEAD(, dg_exchange) exchanges;
	bool running; /* inside MHD_run() */
};

const char *
dg_exchange_path(const struct dg_exchange *x)
{
	return x->path;
}

const char *
dg_exchange_arg(const struct dg_exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool
dg_exchange_orders(const struct dg_exchange *x)
{
	return x->orders;
}

bool
dg_exchange_peer(const struct dg_exchange *x, uid_t *uid, pid_t *pid)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_storage own;
	socklen_t n = sizeof own;
	struct ucred who;

	if (!info || getsockname(info->connect_fd, (struct sockaddr *)&own, &n) < 0 ||
		own.ss_family != AF_UNIX)
		return false;
	n = sizeof who;
	if (getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return false;
	*uid = who.uid;
	*pid = who.pid;
	return true;
}

/* libmicrohttpd's work, and when it wants to work again. */

static dg_usec
next_deadline(const struct dg_server *s)
{
	const struct dg_exchange *x;
	dg_usec first = DG_USEC_NEVER;

	LIST_FOREACH (x, &s->exchanges, entry)
		if (x->suspended && !x->response && x->deadline < first)
			first = x->deadline;
	return first;
}

static void
turn(struct dg_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	dg_usec at;

	s->running = true;
	MHD_run(s->daemon);
	s->running = false;
	at = next_deadline(s);
	if (MHD_get_timeout(s->daemon, &ms) == MHD_YES) {
		dg_usec then = dg_now() + (dg_usec)ms * DG_MSEC;

		at = then < at ? then : at;
	}
	if (at == DG_USEC_NEVER) {
		sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(s->timer, at);
	sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static int
on_io(sd_event_source *src, int fd, uint32_t revents, void *arg)
{
	(void)src;
	(void)fd;
	(void)revents;
	turn(arg);
	return 0;
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_server *s = arg;
	struct dg_exchange *x;
	dg_usec now = dg_now();

	(void)src;
	(void)usec;
	LIST_FOREACH (x, &s->exchanges, entry)
		if (x->suspended && !x->response && x->deadline <= now)
			dg_exchange_text(x, MHD_HTTP_GATEWAY_TIMEOUT,
				"no answer within %d seconds", DG_EXCHANGE_SECS);
	turn(s);
	return 0;
}

/* Replies. */

static void
add_headers(struct MHD_Response *r, const char *type)
{
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	/* Only the page has script and style, and only its own. */
	MHD_add_response_header(r, "Content-Security-Policy",
		"default-src 'none'; script-src 'unsafe-inline'; "
		"style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'");
}

void
dg_exchange_reply(
	struct dg_exchange *x, unsigned code, const char *type, struct dg_buf *take_body)
{
	size_t n = take_body->n;
	char *body = dg_buf_take(take_body);

	if (x->response) { /* it was answered with 504 */
		free(body);
		return;
	}
	x->response = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
	DG_ASSERT(x->response);
	x->code = code;
	add_headers(x->response, type);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(x->response, MHD_HTTP_HEADER_ALLOW,
			x->orders ? "GET, HEAD" : "GET, HEAD, POST");
	if (!x->suspended)
		return;
	x->suspended = false;
	MHD_resume_connection(x->connection);
	if (!x->server->running) { /* the loop's next turn sends it */
		sd_event_source_set_time(x->server->timer, 0);
		sd_event_source_set_enabled(x->server->timer, SD_EVENT_ONESHOT);
	}
}

void
dg_exchange_text(struct dg_exchange *x, unsigned code, const char *fmt, ...)
{
	auto_buf body = DG_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dg_buf_vaddf(&body, fmt, ap);
	va_end(ap);
	dg_buf_addc(&body, '\n');
	dg_exchange_reply(x, code, DG_TEXT_TYPE, &body);
}

/* What libmicrohttpd calls. */

static struct dg_exchange *
begin(struct dg_server *s, struct MHD_Connection *c, const char *path, const char *method)
{
	struct dg_exchange *x = dg_new(struct dg_exchange);

	*x = (struct dg_exchange){.server = s, .connection = c, .path = dg_xstrdup(path)};
	LIST_INSERT_HEAD(&s->exchanges, x, entry);
	x->orders = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
	if (!x->orders && strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
		strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		dg_exchange_text(x, MHD_HTTP_METHOD_NOT_ALLOWED,
			"%s: only GET, HEAD and POST are known here", method);
	else
		s->ops->request(x, s->arg);
	return x;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
	const char *version, const char *data, size_t *data_size, void **own)
{
	struct dg_server *s = arg;
	struct dg_exchange *x = *own;

	(void)version;
	(void)data;
	*data_size = 0; /* bodies are nothing to us */
	if (!x)
		*own = x = begin(s, c, path, method);
	if (x->response)
		return MHD_queue_response(c, x->code, x->response);
	if (!x->suspended) {
		x->suspended = true;
		x->deadline = dg_now() + DG_EXCHANGE_SECS * DG_SEC;
		MHD_suspend_connection(c);
	}
	return MHD_YES;
}

static void
on_completed(void *arg, struct MHD_Connection *c, void **own,
	enum MHD_RequestTerminationCode how)
{
	struct dg_server *s = arg;
	struct dg_exchange *x = *own;

	(void)c;
	(void)how;
	if (!x)
		return;
	*own = NULL;
	s->ops->gone(x, s->arg);
	LIST_REMOVE(x, entry);
	if (x->response)
		MHD_destroy_response(x->response);
	free(x->path);
	free(x);
}

int
dg_server_new(struct dg_server **ret, sd_event *event, int take_fd,
	const struct dg_server_ops *ops, void *arg, struct dg_err *e)
{
	auto_close int fd = take_fd;
	struct dg_server *s = dg_new(struct dg_server);
	const union MHD_DaemonInfo *info;
	int r = -ENOMEM;

	*s = (struct dg_server){.ops = ops, .arg = arg};
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
		NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_PER_CONNECTION,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
	if (!s->daemon) {
		dg_server_free(s);
		return dg_fail(e, DG_TRANSPORT, errno, "cannot serve HTTP");
	}
	(void)TAKE_FD(fd);
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info && info->epoll_fd >= 0)
		r = sd_event_add_io(event, &s->io, info->epoll_fd, EPOLLIN, on_io, s);
	if (r >= 0)
		r = sd_event_add_time(
			event, &s->timer, CLOCK_MONOTONIC, 0, DG_MSEC, on_timer, s);
	if (r < 0) {
		dg_server_free(s);
		return dg_fail(e, DG_TRANSPORT, -r, "cannot watch HTTP");
	}
	*ret = s;
	return 0;
}

void
dg_server_free(struct dg_server *s)
{
	struct dg_exchange *x;

	if (!s)
		return;
	sd_event_source_disable_unref(s->io);
	/* A suspended connection may not be stopped: reply first. */
	LIST_FOREACH (x, &s->exchanges, entry)
		if (x->suspended)
			dg_exchange_text(x, MHD_HTTP_SERVICE_UNAVAILABLE, "going down");
	if (s->daemon) {
		MHD_run(s->daemon); /* once, so that what is ready goes out */
		MHD_stop_daemon(s->daemon);
	}
	sd_event_source_disable_unref(s->timer);
	free(s);
}
