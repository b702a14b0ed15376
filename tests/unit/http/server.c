#include "server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void
conn_close(struct server_conn *c, bool reset)
{
	struct linger l = {1, 0};

	if (c->fd < 0)
		return;
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	sd_event_source_disable_unref(c->io);
	c->io = NULL;
	close(c->fd);
	c->fd = -1;
	dg_buf_clear(&c->in);
}

/* The length of the first whole request in the buffer, or 0. */
static size_t
whole(const struct dg_buf *b)
{
	const char *end = b->n ? strstr(b->p, "\r\n\r\n") : NULL;
	const char *len = b->n ? strcasestr(b->p, "\r\ncontent-length:") : NULL;
	size_t n;

	if (!end)
		return 0;
	n = (size_t)(end - b->p) + 4;
	if (len && len < end)
		n += strtoul(len + 17, NULL, 10);
	return b->n >= n ? n : 0;
}

static int
on_conn(sd_event_source *src, int fd, uint32_t revents, void *arg)
{
	struct server_conn *c = arg;
	struct server *s = c->s;
	char buf[65536];
	ssize_t got = read(fd, buf, sizeof(buf));
	size_t n;

	(void)src;
	(void)revents;
	if (got <= 0) {
		conn_close(c, false);
		return 0;
	}
	dg_buf_add(&c->in, buf, (size_t)got);
	while (c->fd >= 0 && (n = whole(&c->in))) {
		const struct step *st =
			&s->steps[s->requests < s->steps_n ? s->requests
							   : s->steps_n - 1];

		s->requests++;
		dg_buf_reset(&s->last);
		dg_buf_add(&s->last, c->in.p, n);
		dg_buf_add(&s->all, c->in.p, n);
		memmove(c->in.p, c->in.p + n, c->in.n - n + 1);
		c->in.n -= n;
		if (st->reply)
			cr_assert_eq(write(c->fd, st->reply, strlen(st->reply)),
				(ssize_t)strlen(st->reply));
		if (st->how == STEP_CLOSE || st->how == STEP_RESET)
			conn_close(c, st->how == STEP_RESET);
	}
	return 0;
}

static int
on_accept(sd_event_source *src, int fd, uint32_t revents, void *arg)
{
	struct server *s = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)src;
	(void)revents;
	cr_assert_geq(conn, 0);
	s->connections++;
	for (size_t i = 0; i < SERVER_CONNS_MAX; i++) {
		struct server_conn *c = &s->conns[i];

		if (c->fd >= 0)
			continue;
		c->fd = conn;
		c->s = s;
		cr_assert_geq(
			sd_event_add_io(s->event, &c->io, conn, EPOLLIN, on_conn, c), 0);
		return 0;
	}
	cr_assert_fail("too many connections");
	return 0;
}

void
server_start(struct server *s, sd_event *event, const struct step *steps, size_t n)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);

	memset(s, 0, sizeof(*s));
	s->event = event;
	s->steps = steps;
	s->steps_n = n;
	for (size_t i = 0; i < SERVER_CONNS_MAX; i++)
		s->conns[i].fd = -1;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(s->fd, 16), 0);
	cr_assert_eq(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
	cr_assert_geq(sd_event_add_io(event, &s->io, s->fd, EPOLLIN, on_accept, s), 0);
}

size_t
server_open(const struct server *s)
{
	size_t n = 0;

	for (size_t i = 0; i < SERVER_CONNS_MAX; i++)
		n += s->conns[i].fd >= 0;
	return n;
}

void
server_hang_up(struct server *s, bool reset)
{
	for (size_t i = 0; i < SERVER_CONNS_MAX; i++)
		conn_close(&s->conns[i], reset);
}

void
server_stop(struct server *s)
{
	server_hang_up(s, false);
	sd_event_source_disable_unref(s->io);
	close(s->fd);
	dg_buf_clear(&s->last);
	dg_buf_clear(&s->all);
}
