/* Messages survive the trip; what is not a message ends the link. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/time.h"
#include "ipc/link.h"

struct end {
	struct dg_link *link;
	unsigned messages, batches, closed, drained;
	int cls;
	uint64_t last_id;
	enum dg_msg_type last;
	struct dg_blob body;
	char text[64];
	int fd;
	bool free_in_handler;
};

static void
on_message(
	struct dg_link *l, enum dg_msg_type type, uint64_t id, void *payload, void *arg)
{
	struct end *t = arg;

	t->messages++;
	t->last = type;
	t->last_id = id;
	if (type == DG_MSG_ANSWER) {
		struct dg_msg_answer *m = payload;

		snprintf(t->text, sizeof t->text, "%.*s", DG_FMT(m->outcome));
		dg_blob_clear(&t->body);
		dg_body_take(&m->response, &t->body);
	} else if (type == DG_MSG_POP_RAW) {
		struct dg_msg_pop_raw *m = payload;

		t->fd = TAKE_FD(m->raw);
	}
	if (t->free_in_handler) {
		dg_link_free(l);
		t->link = NULL;
	}
}

static void
on_batch_end(struct dg_link *l, void *arg)
{
	(void)l;
	((struct end *)arg)->batches++;
}

static void
on_closed(struct dg_link *l, const struct dg_err *why, void *arg)
{
	struct end *t = arg;

	(void)l;
	t->closed++;
	t->cls = why->cls;
}

static void
on_drained(struct dg_link *l, void *arg)
{
	(void)l;
	((struct end *)arg)->drained++;
}

static const struct dg_link_ops ops = {on_message, on_batch_end, on_closed, on_drained};

static sd_event *
loop(void)
{
	sd_event *ev = NULL;

	cr_assert_geq(sd_event_new(&ev), 0);
	return ev;
}

static void
pair(sd_event *ev, enum dg_role role, struct end *worker, struct end *ledger)
{
	int fds[2];
	struct dg_err e;

	*worker = *ledger = (struct end){.body = DG_BLOB_INIT, .fd = -1};
	cr_assert_eq(dg_link_pair(fds, &e), 0);
	cr_assert_eq(dg_link_new(&worker->link, ev, fds[0], role, DG_ROLE_LEDGER, 7, &ops,
			     worker, &e),
		0);
	cr_assert_eq(dg_link_new(&ledger->link, ev, fds[1], DG_ROLE_LEDGER, role, 7, &ops,
			     ledger, &e),
		0);
}

/* Turn the loop until COND or five seconds are over. */
#define UNTIL(ev, cond)                                                                  \
	do {                                                                             \
		dg_usec end_ = dg_now() + 5 * DG_SEC;                                    \
		while (!(cond) && dg_now() < end_)                                       \
			cr_assert_geq(sd_event_run(ev, 100 * DG_MSEC), 0);               \
		cr_assert(cond);                                                         \
	} while (0)

static void
done(sd_event *ev, struct end *a, struct end *b)
{
	dg_link_free(a->link);
	dg_link_free(b->link);
	dg_blob_clear(&a->body);
	dg_blob_clear(&b->body);
	sd_event_unref(ev);
}

Test(link, a_body_arrives_as_it_was_small_and_large)
{
	static const size_t sizes[] = {
		0, 1, DG_INLINE_MAX, DG_INLINE_MAX + 1, 300000, 12000000};
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	for (size_t i = 0; i < DG_N(sizes); i++) {
		auto_free char *bytes = dg_xcalloc(sizes[i] + 1, 1);
		struct dg_msg_answer m = {
			.outcome = DG_STR("ok"), .response = DG_BODY(bytes, sizes[i])};

		memset(bytes, 'a' + (int)i, sizes[i]);
		cr_assert_eq(dg_link_send(w.link, DG_MSG_ANSWER, i, &m, &e), 0);
		UNTIL(ev, l.messages == i + 1);
		cr_assert_eq(l.last_id, i);
		cr_assert_str_eq(l.text, "ok");
		cr_assert_eq(l.body.n, sizes[i]);
		cr_assert(sizes[i] == 0 || memcmp(l.body.p, bytes, sizes[i]) == 0);
		cr_assert_eq(l.body.fd >= 0, sizes[i] > DG_INLINE_MAX);
	}
	done(ev, &w, &l);
}

Test(link, a_taken_body_is_passed_on_without_a_copy)
{
	sd_event *ev = loop();
	struct end w, l, r, l2;
	struct dg_err e;
	auto_free char *bytes = dg_xcalloc(100000, 1);
	struct dg_msg_answer m = {.response = DG_BODY(bytes, 100000)};
	struct dg_msg_deliver d = {.expire = 1};

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	pair(ev, DG_ROLE_REPORTER, &r, &l2);
	dg_link_send(w.link, DG_MSG_ANSWER, 1, &m, &e);
	UNTIL(ev, l.messages == 1);
	d.response = dg_blob_body(&l.body);
	cr_assert_eq(dg_link_send(l2.link, DG_MSG_DELIVER, 1, &d, &e), 0);
	UNTIL(ev, r.messages == 1);
	done(ev, &w, &l);
	ev = NULL;
	dg_link_free(r.link);
	dg_link_free(l2.link);
}

Test(link, many_messages_travel_in_batches)
{
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(dg_link_send(w.link, DG_MSG_HAVE, i,
				     &(struct dg_msg_have){.stage = DG_HAVE_WORKING}, &e),
			0);
	UNTIL(ev, l.messages == 1000);
	cr_assert_leq(l.batches, 100);
	done(ev, &w, &l);
}

Test(link, a_descriptor_goes_along)
{
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;
	auto_close int fd = dg_memfd("test", &e);
	char byte;

	pair(ev, DG_ROLE_POLLER, &w, &l);
	dg_link_send(w.link, DG_MSG_POP_RAW, 1,
		&(struct dg_msg_pop_raw){.slot = 3, .raw = fd}, &e);
	UNTIL(ev, l.messages == 1);
	cr_assert_eq(dg_write_all(fd, "x", 1, &e), 0);
	cr_assert_eq(pread(l.fd, &byte, 1, 0), 1);
	cr_assert_eq(byte, 'x');
	close(l.fd);
	done(ev, &w, &l);
}

Test(link, what_is_not_a_message_ends_it)
{
	struct dg_msg_head good = {DG_MSG_HAVE_END, 0, 7, 1};
	struct dg_msg_head unknown = {DG_MSG_COUNT, 0, 7, 1};
	struct dg_msg_head epoch = {DG_MSG_HAVE_END, 0, 8, 1};
	struct dg_msg_head wrong_way = {DG_MSG_DO, 0, 7, 1};
	struct dg_msg_head flag = {DG_MSG_HAVE_END, DG_MSG_FLAG_FD, 7, 1};
	struct dg_msg_head body = {DG_MSG_ANSWER, 0, 7, 1};
	char long_one[24], answer[64], overflow[64];
	const struct {
		const void *p;
		size_t n;
		bool good;
	} rows[] = {
		{&good, sizeof good, true},
		{&good, sizeof good - 1, false},
		{&unknown, sizeof unknown, false},
		{&epoch, sizeof epoch, false},
		{&wrong_way, sizeof wrong_way, false},
		{&flag, sizeof flag, false},
		{long_one, sizeof long_one, false},
		{&body, sizeof body, false},
		{answer, sizeof body + 4 + 8, true},
		{answer, sizeof body + 4 + 7, false},
		{overflow, sizeof overflow, false},
	};
	uint32_t n32 = 0, huge = 0xffffffff;
	uint64_t n64 = 0;

	memcpy(long_one, &good, sizeof good);
	memcpy(answer, &body, sizeof body);
	memcpy(answer + sizeof body, &n32, sizeof n32);
	memcpy(answer + sizeof body + 4, &n64, sizeof n64);
	memset(overflow, 0, sizeof overflow);
	memcpy(overflow, &body, sizeof body);
	memcpy(overflow + sizeof body, &huge, sizeof huge);
	for (size_t i = 0; i < DG_N(rows); i++) {
		sd_event *ev = loop();
		struct end l = {.body = DG_BLOB_INIT, .fd = -1};
		struct dg_err e;
		int fds[2];

		cr_assert_eq(dg_link_pair(fds, &e), 0);
		cr_assert_eq(dg_link_new(&l.link, ev, fds[1], DG_ROLE_LEDGER,
				     DG_ROLE_LAUNCHER, 7, &ops, &l, &e),
			0);
		cr_assert_eq(send(fds[0], rows[i].p, rows[i].n, 0), (ssize_t)rows[i].n);
		UNTIL(ev, l.messages || l.closed);
		cr_assert_eq(l.messages == 1, rows[i].good, "row %zu", i);
		if (!rows[i].good)
			cr_assert_eq(l.cls, DG_BUG, "row %zu", i);
		close(fds[0]);
		dg_link_free(l.link);
		dg_blob_clear(&l.body);
		sd_event_unref(ev);
	}
}

Test(link, the_peers_end_is_seen_after_what_it_sent)
{
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	/* Unread messages at the dying end make the kernel report a reset. */
	dg_link_send(l.link, DG_MSG_ANSWERED, 1, NULL, &e);
	dg_link_flush(l.link);
	for (unsigned i = 0; i < 40; i++)
		dg_link_send(w.link, DG_MSG_HAVE_END, i, NULL, &e);
	dg_link_flush(w.link);
	dg_link_free(w.link);
	w.link = NULL;
	UNTIL(ev, l.closed);
	cr_assert_eq(l.messages, 40);
	cr_assert_eq(l.cls, DG_TRANSPORT);
	cr_assert_lt(dg_link_send(l.link, DG_MSG_ANSWERED, 1, NULL, &e), 0);
	done(ev, &w, &l);
}

Test(link, a_failed_write_loses_nothing_that_the_peer_sent)
{
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	for (unsigned i = 0; i < 40; i++)
		dg_link_send(w.link, DG_MSG_HAVE_END, i, NULL, &e);
	dg_link_flush(w.link);
	dg_link_free(w.link);
	w.link = NULL;
	for (unsigned i = 0; i < 3; i++) { /* EPIPE, before anything was read */
		cr_assert_eq(dg_link_send(l.link, DG_MSG_ANSWERED, i, NULL, &e), 0);
		dg_link_flush(l.link);
		cr_assert_eq(dg_link_queued(l.link), 0);
	}
	UNTIL(ev, l.closed);
	cr_assert_eq(l.messages, 40);
	cr_assert_eq(l.cls, DG_TRANSPORT);
	done(ev, &w, &l);
}

Test(link, a_slow_reader_fills_the_queue_and_empties_it)
{
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;
	auto_free char *bytes = dg_xcalloc(10000, 1);
	struct dg_msg_answer m = {.response = DG_BODY(bytes, 10000)};
	unsigned sent = 0;

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	while (!dg_link_full(w.link)) {
		cr_assert_eq(dg_link_send(w.link, DG_MSG_ANSWER, sent++, &m, &e), 0);
		cr_assert_lt(sent, 10000);
	}
	UNTIL(ev, l.messages == sent && w.drained == 1);
	cr_assert_not(dg_link_full(w.link));
	cr_assert_eq(dg_link_queued(w.link), 0);
	done(ev, &w, &l);
}

Test(link, may_be_freed_by_its_own_handler)
{
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	l.free_in_handler = true;
	for (unsigned i = 0; i < 5; i++)
		dg_link_send(w.link, DG_MSG_HAVE_END, i, NULL, &e);
	UNTIL(ev, w.closed);
	cr_assert_eq(l.messages, 1);
	done(ev, &w, &l);
}

Test(link, a_string_that_is_too_long_is_refused_at_the_sender)
{
	sd_event *ev = loop();
	struct end w, l;
	struct dg_err e;
	auto_free char *text = dg_xcalloc(DG_MSG_STRING_MAX + 2, 1);
	struct dg_msg_answer m = {.outcome = dg_strn(text, DG_MSG_STRING_MAX + 1)};

	pair(ev, DG_ROLE_LAUNCHER, &w, &l);
	cr_assert_eq(dg_link_send(w.link, DG_MSG_ANSWER, 1, &m, &e), -DG_LIMIT);
	done(ev, &w, &l);
}
