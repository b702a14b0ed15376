/* ipc/link.c: see link.h. */
#include "ipc/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "daglet/crash.h"

#define BATCH 32
#ifdef DAGLET_CRASHPOINTS
#define BATCH_OUT 1 /* so that each has a before and an after */
#else
#define BATCH_OUT BATCH
#endif
#define TURN_MAX 256 /* messages per wake-up, so that other sources get their turn */
#define QUEUE_HIGH (4u << 20) /* bytes queued, descriptors counted at one page */
#define QUEUE_LOW (1u << 20)

struct packet {
	STAILQ_ENTRY(packet) entry;
	int fd;
	size_t n;
	char bytes[];
};

struct dg_link {
	sd_event_source *io, *flush;
	int fd;
	enum dg_role self, peer;
	uint32_t epoch;
	const struct dg_link_ops *ops;
	void *arg;
	STAILQ_HEAD(, packet) out;
	size_t queued, count;
	bool was_full, closed;
	bool deaf;   /* the other end takes nothing more; what it said is still read */
	bool *freed; /* set by dg_link_free while a handler runs */
};

static void
drop_packet(struct packet *p)
{
	dg_closep(&p->fd);
	free(p);
}

static void
drop_out(struct dg_link *l)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(&l->out))) {
		STAILQ_REMOVE_HEAD(&l->out, entry);
		drop_packet(p);
	}
	l->queued = l->count = 0;
}

static void
close_link(struct dg_link *l, const struct dg_err *why)
{
	if (l->closed)
		return;
	l->closed = true;
	l->io = sd_event_source_disable_unref(l->io);
	l->flush = sd_event_source_disable_unref(l->flush);
	dg_closep(&l->fd);
	l->fd = -1;
	l->ops->closed(l, why, l->arg);
}

static void
fail_link(struct dg_link *l, int num, const char *what)
{
	struct dg_err why;

	dg_fail(&why, DG_TRANSPORT, num, "link to %s: %s", dg_role_name(l->peer), what);
	close_link(l, &why);
}

/* Space for one batch of datagrams, shared by all links of the process; pages that no
 * datagram ever reached are never touched. */
static struct {
	char *bytes;
	struct mmsghdr hdr[BATCH];
	struct iovec iov[BATCH];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 4)];
	} ctl[BATCH];
	bool busy;
} in;

static uint64_t handled;

uint64_t
dg_link_handled(void)
{
	return handled;
}

void
dg_link_give_back(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t from, to;

	DG_ASSERT(!in.busy);
	if (!in.bytes)
		return;
	/* Nothing in it is needed: the next datagrams find pages of zeros. */
	from = ((uintptr_t)in.bytes + page - 1) & ~(uintptr_t)(page - 1);
	to = ((uintptr_t)in.bytes + BATCH * DG_DATAGRAM_MAX) & ~(uintptr_t)(page - 1);
	(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static int
one_fd(struct msghdr *h, int *ret)
{
	int count = 0;

	*ret = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
			if (count++ == 0)
				*ret = fd;
			else
				close(fd);
		}
	}
	return count;
}

/* Handle one datagram. False: the link is gone. */
static bool
handle(struct dg_link *l, struct mmsghdr *m, bool *freed)
{
	union dg_msg_any payload;
	struct dg_msg_head head;
	struct dg_err e;
	int fd, count = one_fd(&m->msg_hdr, &fd), r;

	if (count > 1 || m->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		dg_closep(&fd);
		r = dg_fail(&e, DG_BUG, 0, "a datagram that is too large");
	} else {
		r = dg_msg_unpack(m->msg_hdr.msg_iov->iov_base, m->msg_len, fd, &head,
			&payload, &e);
		if (r == 0 && (!dg_msg_allowed(head.type, l->peer, l->self) ||
				      head.epoch != l->epoch)) {
			dg_msg_release(head.type, &payload);
			r = dg_fail(&e, DG_BUG, 0,
				"message %s (epoch %u) does not belong here",
				dg_msg_name(head.type), head.epoch);
		}
	}
	if (r < 0) {
		dg_err_wrap(&e, "link from %s", dg_role_name(l->peer));
		e.cls = DG_BUG;
		close_link(l, &e);
		return false;
	}
	handled++;
	l->ops->message(l, head.type, head.id, &payload, l->arg);
	dg_msg_release(head.type, &payload);
	return !*freed && !l->closed;
}

/* -1 the link is gone, 0 nothing more, 1 maybe more */
static int
read_batch(struct dg_link *l, bool *freed)
{
	int n, i;
	bool alive = true;

	if (!in.bytes)
		in.bytes = dg_xcalloc(BATCH, DG_DATAGRAM_MAX);
	for (i = 0; i < BATCH; i++) {
		in.iov[i] = (struct iovec){
			in.bytes + (size_t)i * DG_DATAGRAM_MAX, DG_DATAGRAM_MAX};
		in.hdr[i].msg_hdr = (struct msghdr){.msg_iov = &in.iov[i],
			.msg_iovlen = 1,
			.msg_control = in.ctl[i].space,
			.msg_controllen = sizeof in.ctl[i].space};
	}
	n = recvmmsg(l->fd, in.hdr, BATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return 0;
		if (errno ==
			ECONNRESET) /* said once; what it sent before it died follows */
			return 1;
		fail_link(l, errno, "cannot read");
		return -1;
	}
	in.busy = true;
	for (i = 0; i < n && alive; i++) {
		if (in.hdr[i].msg_len ==
			0) { /* end of file: no message of ours is empty */
			fail_link(l, 0, "the other end is closed");
			alive = false;
			i++;
			break;
		}
		alive = handle(l, &in.hdr[i], freed);
	}
	for (; i < n; i++) { /* the link went away in the middle: nothing may leak */
		int fd;

		one_fd(&in.hdr[i].msg_hdr, &fd);
		dg_closep(&fd);
	}
	in.busy = false;
	return !alive ? -1 : n == BATCH ? 1 : 0;
}

static void
on_input(struct dg_link *l)
{
	bool freed = false, *outer = l->freed;
	int r = 1;

	DG_ASSERT(!in.busy); /* handlers run inside one loop; the batch is theirs alone */
	l->freed = &freed;
	for (int done = 0; r > 0 && done < TURN_MAX; done += BATCH)
		r = read_batch(l, &freed);
	if (freed) {
		if (outer)
			*outer = true;
		return;
	}
	if (r >= 0 && l->ops->batch_end)
		l->ops->batch_end(l, l->arg);
	if (!freed)
		l->freed = outer;
	else if (outer)
		*outer = true;
}

static int
on_io(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_link *l = arg;

	(void)s;
	(void)fd;
	if (revents & EPOLLOUT) {
		dg_link_flush(l);
		if (l->closed)
			return 0;
	}
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_input(l);
	return 0;
}

static int
on_flush(sd_event_source *s, void *arg)
{
	(void)s;
	dg_link_flush(arg);
	return 0;
}

/* The crash step of the message that leaves next; builds that obey send one by one. */
static enum dg_crash_step
crash_step(const struct dg_link *l)
{
	static const unsigned char steps[DG_ROLE_COUNT][DG_MSG_COUNT] = {
#define X(sender, message, ...)                                                          \
	[DG_ROLE_##sender][DG_MSG_##message] = DG_CRASH_##sender##_##message,
		DG_CRASH_MESSAGES(X)
#undef X
	};
	struct dg_msg_head head;

	memcpy(&head, STAILQ_FIRST(&l->out)->bytes, sizeof head);
	return (enum dg_crash_step)steps[l->self][head.type];
}

/* How many packets the socket took, or -1 on a broken link. */
static int
send_batch(struct dg_link *l)
{
	struct mmsghdr hdr[BATCH_OUT];
	struct iovec iov[BATCH_OUT];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} ctl[BATCH_OUT];
	enum dg_crash_step step;
	struct packet *p;
	unsigned n = 0;
	int sent;

	STAILQ_FOREACH (p, &l->out, entry) {
		struct msghdr *h;

		if (n == BATCH_OUT)
			break;
		h = &hdr[n].msg_hdr;
		iov[n] = (struct iovec){p->bytes, p->n};
		*h = (struct msghdr){.msg_iov = &iov[n], .msg_iovlen = 1};
		if (p->fd >= 0) {
			memset(&ctl[n], 0, sizeof ctl[n]);
			h->msg_control = ctl[n].space;
			h->msg_controllen = sizeof ctl[n].space;
			ctl[n].align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS};
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(h)), &p->fd, sizeof(int));
		}
		n++;
	}
	if (!n)
		return 0;
	step = crash_step(l);
	(void)dg_crash_at(step, false);
	sent = sendmmsg(l->fd, hdr, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
	for (int i = 0; i < sent; i++) {
		p = STAILQ_FIRST(&l->out);
		STAILQ_REMOVE_HEAD(&l->out, entry);
		l->queued -= p->n + (p->fd >= 0 ? 4096 : 0);
		l->count--;
		drop_packet(p);
	}
	(void)dg_crash_at(step, true);
	return sent;
}

void
dg_link_flush(struct dg_link *l)
{
	int r = 1;

	if (l->closed)
		return;
	while (r > 0 && !STAILQ_EMPTY(&l->out) && !l->deaf)
		r = send_batch(l);
	if (r < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		/* The end of file comes behind all that it sent before it died. */
		l->deaf = true;
	} else if (r < 0) {
		fail_link(l, errno, "cannot write");
		return;
	}
	if (l->deaf)
		drop_out(l);
	sd_event_source_set_io_events(
		l->io, EPOLLIN | (STAILQ_EMPTY(&l->out) ? 0 : (uint32_t)EPOLLOUT));
	if (l->was_full && l->queued < QUEUE_LOW) {
		l->was_full = false;
		if (l->ops->drained)
			l->ops->drained(l, l->arg);
	}
}

int
dg_link_send(struct dg_link *l, enum dg_msg_type type, uint64_t id, const void *payload,
	struct dg_err *e)
{
	static struct dg_buf scratch;
	struct packet *p;
	bool own;
	int fd, r;

	if (l->closed)
		return dg_fail(e, DG_TRANSPORT, 0, "the link to %s is closed",
			dg_role_name(l->peer));
	DG_ASSERT(dg_msg_allowed(type, l->self, l->peer));
	dg_buf_reset(&scratch);
	r = dg_msg_pack(type, l->epoch, id, payload, &scratch, &fd, &own, e);
	if (r < 0) {
		if (own)
			dg_closep(&fd);
		return r;
	}
	if (fd >= 0 && !own) {
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return dg_fail(
				e, DG_TRANSPORT, errno, "cannot duplicate a descriptor");
	}
	p = dg_xcalloc(1, sizeof *p + scratch.n);
	p->fd = fd;
	p->n = scratch.n;
	memcpy(p->bytes, scratch.p, scratch.n);
	STAILQ_INSERT_TAIL(&l->out, p, entry);
	l->queued += p->n + (fd >= 0 ? 4096 : 0);
	if (l->queued > QUEUE_HIGH)
		l->was_full = true;
	if (++l->count == 1)
		sd_event_source_set_enabled(l->flush, SD_EVENT_ONESHOT);
	return 0;
}

bool
dg_link_full(const struct dg_link *l)
{
	return l->was_full;
}

size_t
dg_link_queued(const struct dg_link *l)
{
	return l->queued;
}

uint32_t
dg_link_epoch(const struct dg_link *l)
{
	return l->epoch;
}

bool
dg_link_open(const struct dg_link *l)
{
	return !l->closed;
}

int
dg_link_new(struct dg_link **ret, sd_event *event, int take_fd, enum dg_role self,
	enum dg_role peer, uint32_t epoch, const struct dg_link_ops *ops, void *arg,
	struct dg_err *e)
{
	auto_close int fd = take_fd;
	struct dg_link *l = dg_new(struct dg_link);
	int r;

	*l = (struct dg_link){.fd = -1,
		.self = self,
		.peer = peer,
		.epoch = epoch,
		.ops = ops,
		.arg = arg};
	STAILQ_INIT(&l->out);
	r = sd_event_add_io(event, &l->io, fd, EPOLLIN, on_io, l);
	if (r >= 0)
		r = sd_event_add_defer(event, &l->flush, on_flush, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->flush, SD_EVENT_OFF);
	if (r < 0) {
		dg_link_free(l);
		return dg_fail(e, DG_TRANSPORT, -r, "cannot watch a link");
	}
	l->fd = TAKE_FD(fd);
	*ret = l;
	return 0;
}

void
dg_link_free(struct dg_link *l)
{
	if (!l)
		return;
	if (l->freed)
		*l->freed = true;
	sd_event_source_disable_unref(l->io);
	sd_event_source_disable_unref(l->flush);
	drop_out(l);
	dg_closep(&l->fd);
	free(l);
}

int
dg_link_pair(int ret[2], struct dg_err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret) <
		0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot make a socket pair");
	return 0;
}
