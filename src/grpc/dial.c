/* grpc/dial.c: see dial.h. */
#include "grpc/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "grpc/resolve.h"

/* A peer that acknowledges nothing for so long is gone. */
#define USER_TIMEOUT_MS 20000
/* A Unix socket whose queue is full is tried again after this. */
#define FULL_QUEUE_WAIT (10 * DG_MSEC)

struct dg_dial {
	sd_event *event;
	char *address;
	dg_dial_fn *fn;
	void *arg;
	dg_usec until;
	struct dg_resolve *resolve;
	struct addrinfo *all, *next; /* of a TCP address */
	int fd;
	sd_event_source *io, *timer, *again;
	struct dg_err last; /* why the latest attempt failed */
};

static bool
is_unix(const char *address)
{
	return strncmp(address, "unix:", 5) == 0;
}

/* "host:port" or "[host]:port" into its parts, which are the caller's to free. */
static int
split(const char *address, char **host, char **port)
{
	const char *colon = strrchr(address, ':'), *p = address, *end = colon;

	if (!colon || colon == address || !colon[1] || strlen(colon + 1) > 5 ||
		colon[1 + strspn(colon + 1, "0123456789")] || atoi(colon + 1) > 65535)
		return -1;
	if (*p == '[') {
		if (end[-1] != ']' || end - p < 3)
			return -1;
		p++;
		end--;
	} else if (memchr(p, ':', (size_t)(end - p)))
		return -1;
	*host = dg_xstrndup(p, (size_t)(end - p));
	*port = dg_xstrdup(colon + 1);
	return 0;
}

int
dg_dial_check(const char *address, struct dg_err *e)
{
	auto_free char *host = NULL, *port = NULL;

	if (is_unix(address)) {
		size_t n = strlen(address + 5);

		if (n && n < sizeof((struct sockaddr_un *)0)->sun_path)
			return 0;
		return dg_fail(e, DG_CONFIG, 0,
			"'%s' is no address: the path of a Unix socket has 1 to %zu "
			"bytes",
			address, sizeof((struct sockaddr_un *)0)->sun_path - 1);
	}
	if (split(address, &host, &port) < 0)
		return dg_fail(e, DG_CONFIG, 0,
			"'%s' is no address: host:port, [v6]:port or unix:/path",
			address);
	return 0;
}

const char *
dg_dial_authority(const char *address)
{
	return is_unix(address) ? "localhost" : address;
}

static void
stop(struct dg_dial *d)
{
	d->io = sd_event_source_disable_unref(d->io);
	d->timer = sd_event_source_disable_unref(d->timer);
	d->again = sd_event_source_disable_unref(d->again);
	dg_closep(&d->fd);
	d->fd = -1;
	dg_resolve_free(d->resolve);
	d->resolve = NULL;
}

void
dg_dial_free(struct dg_dial *d)
{
	if (!d)
		return;
	stop(d);
	if (d->all)
		freeaddrinfo(d->all);
	free(d->address);
	free(d);
}

static void
fail(struct dg_dial *d)
{
	stop(d);
	d->fn(d->arg, -1, &d->last); /* may free d */
}

static void
done(struct dg_dial *d)
{
	int fd = TAKE_FD(d->fd);

	stop(d);
	d->fn(d->arg, fd, NULL); /* may free d */
}

static void attempt(struct dg_dial *d);

static int
on_writable(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_dial *d = arg;
	int num = 0;
	socklen_t len = sizeof num;

	(void)s, (void)revents;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &num, &len) < 0)
		num = errno;
	if (!num) {
		done(d);
		return 0;
	}
	dg_fail(&d->last, DG_TRANSPORT, num, "cannot connect to %s", d->address);
	attempt(d);
	return 0;
}

static int
on_again(sd_event_source *s, uint64_t now, void *arg)
{
	(void)s, (void)now;
	attempt(arg);
	return 0;
}

static int
on_limit(sd_event_source *s, uint64_t now, void *arg)
{
	struct dg_dial *d = arg;

	(void)s, (void)now;
	dg_fail(&d->last, DG_TRANSPORT, ETIMEDOUT, "cannot connect to %s", d->address);
	fail(d);
	return 0;
}

static void
tcp_options(int fd)
{
	static const struct {
		int level, name, value;
	} opts[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
		{SOL_SOCKET, SO_KEEPALIVE, 1}, /* the kernel's, not HTTP/2's PING */
		{IPPROTO_TCP, TCP_KEEPIDLE, 30},
		{IPPROTO_TCP, TCP_KEEPINTVL, 10},
	};

	/* Each is an improvement; a kernel without one still connects. */
	for (size_t i = 0; i < DG_N(opts); i++)
		(void)setsockopt(fd, opts[i].level, opts[i].name, &opts[i].value,
			sizeof opts[i].value);
}

/* Begin the next attempt; when there is none left, say why the last one failed. */
static void
attempt(struct dg_dial *d)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	d->io = sd_event_source_disable_unref(d->io);
	dg_closep(&d->fd);
	d->fd = -1;
	for (;;) {
		const struct sockaddr *sa;
		socklen_t len;
		int family, rc;

		if (is_unix(d->address)) {
			memcpy(un.sun_path, d->address + 5, strlen(d->address + 5) + 1);
			sa = (const struct sockaddr *)&un;
			len = sizeof un;
			family = AF_UNIX;
		} else if (d->next) {
			sa = d->next->ai_addr;
			len = d->next->ai_addrlen;
			family = d->next->ai_family;
			d->next = d->next->ai_next;
		} else
			break;
		d->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (d->fd >= 0 && family != AF_UNIX)
			tcp_options(d->fd);
		if (d->fd >= 0 && connect(d->fd, sa, len) == 0) {
			done(d);
			return;
		}
		rc = errno;
		if (d->fd >= 0 && rc == EINPROGRESS) {
			rc = -sd_event_add_io(
				d->event, &d->io, d->fd, EPOLLOUT, on_writable, d);
			if (rc <= 0)
				return;
		}
		dg_fail(&d->last, DG_TRANSPORT, rc, "cannot connect to %s", d->address);
		dg_closep(&d->fd);
		d->fd = -1;
		if (family != AF_UNIX)
			continue;
		if (rc == EAGAIN) {
			d->again = sd_event_source_disable_unref(d->again);
			if (sd_event_add_time_relative(d->event, &d->again,
				    CLOCK_MONOTONIC, FULL_QUEUE_WAIT, DG_MSEC, on_again,
				    d) >= 0)
				return;
		}
		break;
	}
	fail(d);
}

static void
on_resolved(void *arg, struct addrinfo *ai, const struct dg_err *e)
{
	struct dg_dial *d = arg;

	if (!ai) {
		d->last = *e;
		fail(d);
		return;
	}
	d->all = d->next = ai;
	attempt(d);
}

/* The first step is taken from the loop, so that FN is never called by dg_dial_start. */
static int
on_begin(sd_event_source *s, void *arg)
{
	struct dg_dial *d = arg;
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	auto_free char *host = NULL, *port = NULL;

	(void)s;
	if (is_unix(d->address)) {
		attempt(d);
		return 0;
	}
	DG_ASSERT(split(d->address, &host, &port) == 0);
	if (getaddrinfo(host, port, &hints, &d->all) == 0) {
		d->next = d->all;
		attempt(d);
	} else if (dg_resolve_start(d->event, host, port, on_resolved, d, &d->resolve,
			   &d->last) < 0)
		fail(d);
	return 0;
}

struct dg_dial *
dg_dial_start(
	sd_event *event, const char *address, dg_usec limit, dg_dial_fn *fn, void *arg)
{
	struct dg_dial *d = dg_new(struct dg_dial);

	*d = (struct dg_dial){.event = event, .fn = fn, .arg = arg, .fd = -1};
	d->address = dg_xstrdup(address);
	/* Both add to tables in memory; they fail only where nothing could go on. */
	DG_ASSERT(sd_event_add_defer(event, &d->again, on_begin, d) >= 0);
	DG_ASSERT(sd_event_add_time_relative(event, &d->timer, CLOCK_MONOTONIC, limit,
			  10 * DG_MSEC, on_limit, d) >= 0);
	return d;
}
