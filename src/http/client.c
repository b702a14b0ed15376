/* http/client.c: libcurl's multi interface on sd-event.
 *
 * libcurl says which sockets it watches and when it wants to be called; this file turns
 * that into event sources, with as few system calls as possible: a kept connection keeps
 * its source, one timer serves libcurl and our own time-outs and is set again only for an
 * earlier time, and "at once" is a deferred source and not a timer. */
#include "http/client.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "http/private.h"

dg_usec
dg_http_clock(struct dg_http *h)
{
	uint64_t now;

	return sd_event_now(h->event, CLOCK_MONOTONIC, &now) >= 0 ? now : dg_now();
}

void
dg_http_arm(struct dg_http *h)
{
	dg_usec at = h->curl_at < h->idle_at ? h->curl_at : h->idle_at;

	if (h->sweep_at < at)
		at = h->sweep_at;
	if (at >= h->armed)
		return;
	h->armed = at;
	sd_event_source_set_time(h->timer, at);
	sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

void
dg_http_kick(struct dg_http *h)
{
	sd_event_source_set_enabled(h->kick, SD_EVENT_ONESHOT);
}

/* What libcurl has finished. Callbacks may start and cancel calls. */
static void
reap(struct dg_http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		CURLcode code = m->data.result;
		struct dg_http_slot *slot = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
		if (slot && slot->call)
			dg_http_call_finished(slot->call, code);
	}
}

static void
action(struct dg_http *h, curl_socket_t fd, int mask)
{
	int running;

	h->in_curl++;
	curl_multi_socket_action(h->multi, fd, mask, &running);
	h->in_curl--;
	reap(h);
}

static int
on_io(sd_event_source *src, int fd, uint32_t revents, void *arg)
{
	struct dg_http_sock *s = arg;
	int mask = 0;

	if (!s->wanted) { /* a kept connection says something: its end, most likely */
		sd_event_source_set_enabled(src, SD_EVENT_OFF);
		return 0;
	}
	if (revents & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (revents & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (revents & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	action(s->h, fd, mask);
	return 0;
}

static struct dg_http_sock *
sock_of(struct dg_http *h, int fd)
{
	if ((size_t)fd >= h->socks_n) {
		size_t n = (size_t)fd + 16;

		h->socks = dg_xrealloc(h->socks, n, sizeof(*h->socks));
		for (size_t i = h->socks_n; i < n; i++)
			h->socks[i] = NULL;
		h->socks_n = n;
	}
	if (!h->socks[fd]) {
		h->socks[fd] = dg_new(struct dg_http_sock);
		h->socks[fd]->h = h;
	}
	return h->socks[fd];
}

static void
sock_free(struct dg_http *h, int fd)
{
	struct dg_http_sock *s = (size_t)fd < h->socks_n ? h->socks[fd] : NULL;

	if (!s)
		return;
	sd_event_source_disable_unref(s->io);
	free(s);
	h->socks[fd] = NULL;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct dg_http *h = arg;
	struct dg_http_sock *s;
	uint32_t events = 0;

	(void)easy;
	(void)unused;
	s = sock_of(h, fd);
	if (what == CURL_POLL_REMOVE) {
		if (s->ours)
			s->wanted = false;
		else
			sock_free(h, fd);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	s->wanted = true;
	if (!s->io) {
		if (sd_event_add_io(h->event, &s->io, fd, events, on_io, s) < 0)
			return -1;
	} else {
		if (events != s->events &&
			sd_event_source_set_io_events(s->io, events) < 0)
			return -1;
		sd_event_source_set_enabled(s->io, SD_EVENT_ON);
	}
	s->events = events;
	return 0;
}

curl_socket_t
dg_http_opensocket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct dg_http *h = arg;
	int fd;

	(void)purpose;
	fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		addr->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	sock_of(h, fd)->ours = true;
	return fd;
}

int
dg_http_closesocket(void *arg, curl_socket_t fd)
{
	sock_free(arg, fd);
	return close(fd);
}

static int
on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct dg_http *h = arg;

	(void)multi;
	h->curl_due = ms == 0;
	h->curl_at = ms <= 0 ? DG_USEC_NEVER : dg_http_clock(h) + (dg_usec)ms * DG_MSEC;
	if (ms == 0)
		dg_http_kick(h);
	else
		dg_http_arm(h);
	return 0;
}

/* Calls from which nothing has come for too long. */
static void
check_idle(struct dg_http *h, dg_usec now)
{
	struct dg_http_call *c, *next, *late;

	do { /* a callback may change the list */
		late = NULL;
		h->idle_at = DG_USEC_NEVER;
		for (c = LIST_FIRST(&h->active); c; c = next) {
			dg_usec limit = c->connected ? c->site->read_timeout
						     : c->site->connect_timeout;

			next = LIST_NEXT(c, active);
			if (limit == 0)
				continue;
			if (c->alive + limit <= now)
				late = c;
			else if (c->alive + limit < h->idle_at)
				h->idle_at = c->alive + limit;
		}
		if (late)
			dg_http_call_end(late,
				late->connected ? DG_HTTP_READ_TIMEOUT
						: DG_HTTP_CONNECT_TIMEOUT,
				NULL);
	} while (late);
}

static void
sweep(struct dg_http *h, dg_usec now)
{
	struct dg_http_site *s;

	h->sweep_at = DG_USEC_NEVER;
	LIST_FOREACH (s, &h->sites, link)
		dg_http_site_sweep(s, now);
	if (h->sweep_at != DG_USEC_NEVER)
		return; /* busy still */
	malloc_trim(0);
	if (h->trims) {
		h->trims--;
		h->sweep_at = now + DG_HTTP_TRIM_EVERY;
	}
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_http *h = arg;
	dg_usec now = dg_http_clock(h);

	(void)src;
	(void)usec;
	h->armed = DG_USEC_NEVER;
	if (h->curl_at <= now) {
		h->curl_at = DG_USEC_NEVER;
		action(h, CURL_SOCKET_TIMEOUT, 0);
	}
	if (h->idle_at <= now)
		check_idle(h, now);
	if (h->sweep_at <= now)
		sweep(h, now);
	dg_http_arm(h);
	return 0;
}

static int
on_kick(sd_event_source *src, void *arg)
{
	struct dg_http *h = arg;
	struct dg_http_site *s;
	struct dg_http_call *c, *next;

	(void)src;
	for (c = LIST_FIRST(&h->active); c; c = next) {
		next = LIST_NEXT(c, active);
		if (c->cancelled)
			dg_http_cancel(c);
	}
	LIST_FOREACH (s, &h->sites, link)
		dg_http_site_next(s);
	if (h->curl_due) {
		h->curl_due = false;
		action(h, CURL_SOCKET_TIMEOUT, 0);
	}
	return 0;
}

int
dg_http_new(struct dg_http **ret, sd_event *event, struct dg_err *e)
{
	struct dg_http *h;

	/* TLS initialises itself with the first site that needs it. */
	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		return dg_fail(e, DG_TRANSPORT, 0, "libcurl does not start");
	h = dg_new(struct dg_http);
	h->event = sd_event_ref(event);
	h->curl_at = h->idle_at = h->sweep_at = h->armed = DG_USEC_NEVER;
	h->multi = curl_multi_init();
	if (!h->multi ||
		sd_event_add_time(event, &h->timer, CLOCK_MONOTONIC, 0, 5 * DG_MSEC,
			on_timer, h) < 0 ||
		sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ||
		sd_event_add_defer(event, &h->kick, on_kick, h) < 0 ||
		sd_event_source_set_enabled(h->kick, SD_EVENT_OFF) < 0) {
		dg_http_free(h);
		return dg_fail(e, DG_TRANSPORT, 0, "the HTTP client does not start");
	}
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 128L);
	*ret = h;
	return 0;
}

void
dg_http_free(struct dg_http *h)
{
	if (!h)
		return;
	while (!LIST_EMPTY(&h->sites))
		dg_http_site_free(LIST_FIRST(&h->sites));
	if (h->multi)
		curl_multi_cleanup(h->multi);
	for (size_t i = 0; i < h->socks_n; i++)
		sock_free(h, (int)i);
	free(h->socks);
	sd_event_source_disable_unref(h->timer);
	sd_event_source_disable_unref(h->kick);
	sd_event_unref(h->event);
	curl_global_cleanup();
	free(h);
}

void
dg_http_freep(struct dg_http **h)
{
	dg_http_free(*h);
}

const char *
dg_http_error_name(enum dg_http_error e)
{
	static const char *const names[] = {"ok", "dns", "connect", "connect time-out",
		"tls", "reset", "stale", "read time-out", "cut", "too large", "other"};

	_Static_assert(DG_N(names) == DG_HTTP_ERROR_COUNT, "one name per error");
	return (unsigned)e < DG_N(names) ? names[e] : "?";
}
