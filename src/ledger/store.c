/* ledger/store.c: see store.h. The queue, the writer thread, and the way back. */
#include "ledger/store.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "daglet/crash.h"
#include "ledger/store_sql.h"

#define RETRY_EVERY (500 * DG_MSEC)
/* Compacted when there was nothing to write for so long, and at least so often. */
#define IDLE_BEFORE_CARE (5 * DG_SEC)
#define CARE_EVERY (60 * DG_MINUTE)

STAILQ_HEAD(write_queue, dg_write);

struct dg_store {
	sd_event_source *io;
	int wake; /* eventfd: something was committed */
	dg_store_committed_fn *committed;
	void *arg;
	bool durable;
	char *dir;
	uint64_t next_ticket;
	/* shared with the writer, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct write_queue queue;
	uint64_t queued, done_ticket, batches, writes;
	dg_usec batch_since, broken_since;
	bool stop, broken, ended, opened, reopened;
	char error[DG_ERR_TEXT], damaged[64];
	/* the writer's own */
	dg_usec cared;
	bool dirty; /* written since it was cared for */
	pthread_t thread;
	struct dg_sql sql;
};

static void
free_write(struct dg_write *w)
{
	dg_blob_clear(&w->body);
	dg_buf_clear(&w->space);
	free(w);
}

static void
free_all(struct write_queue *q)
{
	struct dg_write *w;

	while ((w = STAILQ_FIRST(q))) {
		STAILQ_REMOVE_HEAD(q, entry);
		free_write(w);
	}
}

/* Open, with what is damaged out of the way. */
static int
open_sql(struct dg_store *s, struct dg_err *e)
{
	int r = dg_sql_open(&s->sql, s->dir, e);

	if (r < 0 && dg_sql_is_damage(e)) {
		dg_sql_close(&s->sql);
		r = dg_care_move_aside(s->dir, e);
		if (r == 0)
			r = dg_sql_open(&s->sql, s->dir, e);
	}
	if (r < 0)
		dg_sql_close(&s->sql);
	return r;
}

/* In the writer: what could not be opened at the start. */
static int
open_again(struct dg_store *s, struct dg_err *e)
{
	int r = open_sql(s, e);

	pthread_mutex_lock(&s->lock);
	s->reopened |= r == 0;
	if (r == 0)
		dg_care_damaged(&s->sql, s->damaged, sizeof s->damaged);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* The crash points of all kinds of writes in a batch. */
static void
pass(const struct write_queue *batch, bool after)
{
	static const unsigned char steps[DG_W_COUNT] = {
#define X(write, ...) [DG_W_##write] = DG_CRASH_WRITE_##write,
		DG_CRASH_WRITES(X)
#undef X
	};
	const struct dg_write *w;

	STAILQ_FOREACH (w, batch, entry)
		(void)dg_crash_at((enum dg_crash_step)steps[w->type], after);
}

static int
write_batch(struct dg_store *s, const struct write_queue *batch, struct dg_err *e)
{
	const struct dg_write *w;
	bool full = false;
	int r;

	if (!s->sql.db) {
		r = open_again(s, e);
		if (r < 0)
			return r;
	}
	STAILQ_FOREACH (w, batch, entry)
		full |= w->full;
	pass(batch, false);
	r = dg_sql_begin(&s->sql, full, e);
	STAILQ_FOREACH (w, batch, entry)
		if (r == 0)
			r = dg_sql_apply(&s->sql, w, e);
	if (r == 0)
		r = dg_sql_commit(&s->sql, e);
	if (r < 0)
		dg_sql_rollback(&s->sql);
	else
		pass(batch, true);
	return r;
}

static void
deadline(struct timespec *ret, dg_usec after)
{
	clock_gettime(CLOCK_MONOTONIC, ret);
	ret->tv_sec += (time_t)(after / DG_SEC);
	ret->tv_nsec += (long)(after % DG_SEC * 1000);
	ret->tv_sec += ret->tv_nsec / 1000000000;
	ret->tv_nsec %= 1000000000;
}

/* Under the lock. False: asked to stop. */
static bool
wait_a_bit(struct dg_store *s)
{
	struct timespec until;

	deadline(&until, RETRY_EVERY);
	while (!s->stop)
		if (pthread_cond_timedwait(&s->more, &s->lock, &until) == ETIMEDOUT)
			return true;
	return false;
}

/* Under the lock. Until there is something to write; in between the store is cared for.
 */
static void
wait_for_work(struct dg_store *s)
{
	while (STAILQ_EMPTY(&s->queue) && !s->stop) {
		struct dg_err ignored; /* nobody waits for it: the next turn may do it */
		struct timespec until;
		bool more;

		if (!s->opened && !s->reopened)
			return;
		if (!s->dirty) {
			pthread_cond_wait(&s->more, &s->lock);
			continue;
		}
		deadline(&until, IDLE_BEFORE_CARE);
		if (pthread_cond_timedwait(&s->more, &s->lock, &until) != ETIMEDOUT)
			continue;
		s->dirty = false;
		pthread_mutex_unlock(&s->lock);
		more = dg_care_compact(&s->sql, &ignored) > 0;
		s->cared = dg_now();
		pthread_mutex_lock(&s->lock);
		s->dirty |= more;
	}
}

static void *
writer(void *arg)
{
	struct dg_store *s = arg;
	struct write_queue batch = STAILQ_HEAD_INITIALIZER(batch);
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct dg_err e = {0};
		struct dg_write *last;
		uint64_t n = 0;
		bool broke;
		int r;

		wait_for_work(s);
		if (STAILQ_EMPTY(&s->queue) && s->stop)
			break;
		STAILQ_CONCAT(&batch, &s->queue);
		s->batch_since = dg_now();
		pthread_mutex_unlock(&s->lock);
		r = write_batch(s, &batch, &e);
		pthread_mutex_lock(&s->lock);
		s->batch_since = 0;
		broke = r < 0 && !s->broken;
		s->broken = r < 0;
		s->dirty |= r == 0;
		if (r == 0)
			s->broken_since = 0;
		else if (!s->broken_since)
			s->broken_since = dg_now();
		if (broke) /* the loop stops popping at once */
			(void)!write(s->wake, &one, sizeof one);
		if (r < 0) {
			dg_err_text(&e, s->error, sizeof s->error);
			STAILQ_CONCAT(&batch, &s->queue); /* younger ones behind */
			STAILQ_CONCAT(&s->queue, &batch);
			if (!wait_a_bit(s))
				break;
			continue;
		}
		STAILQ_FOREACH (last, &batch, entry) {
			n++;
			s->done_ticket = last->ticket;
		}
		s->queued -= n;
		s->writes += n;
		s->batches++;
		pthread_mutex_unlock(&s->lock);
		free_all(&batch);
		(void)!write(s->wake, &one, sizeof one);
		if (dg_now() - s->cared > CARE_EVERY) { /* never idle: now, then */
			(void)dg_care_compact(&s->sql, &e);
			s->cared = dg_now();
		}
		pthread_mutex_lock(&s->lock);
	}
	s->ended = true;
	pthread_mutex_unlock(&s->lock);
	(void)!write(s->wake, &one, sizeof one);
	return NULL;
}

static int
on_wake(sd_event_source *src, int fd, uint32_t revents, void *arg)
{
	struct dg_store *s = arg;
	uint64_t count, ticket;

	(void)src;
	(void)revents;
	(void)!read(fd, &count, sizeof count);
	pthread_mutex_lock(&s->lock);
	ticket = s->done_ticket;
	pthread_mutex_unlock(&s->lock);
	s->committed(s->arg, ticket);
	return 0;
}

static int
start_writer(struct dg_store *s, struct dg_err *e)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->more, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&s->thread, NULL, writer, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return dg_fail(e, DG_TRANSPORT, r, "cannot start the store's thread");
	s->durable = true;
	return 0;
}

/* A disk that does not let us is no reason not to start: the writer goes on trying. */
static int
open_at_start(struct dg_store *s, const struct dg_store_loader *load, struct dg_err *e)
{
	int r = open_sql(s, e);

	s->cared = dg_now();
	if (r < 0 && e->cls != DG_TRANSPORT)
		return r;
	if (r < 0) {
		s->broken = true;
		s->broken_since = dg_now();
		dg_err_text(e, s->error, sizeof s->error);
		return 0;
	}
	s->opened = s->dirty = true;
	dg_care_damaged(&s->sql, s->damaged, sizeof s->damaged);
	r = dg_sql_load(&s->sql, load, e);
	if (r < 0 && dg_sql_is_damage(e)) {
		/* Some of it has been read: another start begins without it. */
		char text[DG_ERR_TEXT];

		dg_err_text(e, text, sizeof text);
		dg_sql_close(&s->sql);
		if (dg_care_move_aside(s->dir, e) == 0)
			dg_fail(e, DG_TRANSPORT, 0, "%.300s; it was moved aside", text);
		return -DG_TRANSPORT;
	}
	if (r == 0)
		(void)dg_care_orphans(&s->sql);
	return r;
}

int
dg_store_open(struct dg_store **ret, sd_event *event, const char *dir,
	const struct dg_store_loader *load, dg_store_committed_fn *committed, void *arg,
	struct dg_err *e)
{
	struct dg_store *s = dg_new(struct dg_store);
	int r = 0;

	s->committed = committed;
	s->arg = arg;
	s->sql.dirfd = -1;
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	STAILQ_INIT(&s->queue);
	pthread_mutex_init(&s->lock, NULL);
	if (s->wake < 0)
		r = dg_fail(e, DG_TRANSPORT, errno, "cannot make an eventfd");
	if (r == 0 && sd_event_add_io(event, &s->io, s->wake, EPOLLIN, on_wake, s) < 0)
		r = dg_fail(e, DG_TRANSPORT, 0, "cannot watch the store");
	if (r == 0 && dir) {
		s->dir = dg_xstrdup(dir);
		r = open_at_start(s, load, e);
		if (r == 0)
			r = start_writer(s, e);
	}
	if (r < 0) {
		dg_store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void
dg_store_close(struct dg_store *s)
{
	if (!s)
		return;
	if (s->durable) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_signal(&s->more);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
		pthread_cond_destroy(&s->more);
	}
	dg_sql_close(&s->sql);
	free_all(&s->queue);
	sd_event_source_disable_unref(s->io);
	dg_closep(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s);
}

/* Strings of a write live in its own space: offsets first, pointers once all is there. */
static struct dg_str
keep(struct dg_write *w, struct dg_str s)
{
	struct dg_str at = {w->space.p + w->space.n, s.n};

	dg_buf_add(&w->space, s.p, s.n);
	return at;
}

static uint64_t
enqueue(struct dg_store *s, struct dg_write *w)
{
	uint64_t one = 1;

	w->ticket = ++s->next_ticket;
	if (!s->durable) { /* memory only: as good as committed, told on the next turn */
		s->done_ticket = w->ticket;
		free_write(w);
		(void)!write(s->wake, &one, sizeof one);
		return s->next_ticket;
	}
	pthread_mutex_lock(&s->lock);
	STAILQ_INSERT_TAIL(&s->queue, w, entry);
	s->queued++;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	return s->next_ticket;
}

static struct dg_write *
new_write(enum dg_write_type type, bool full, size_t space)
{
	struct dg_write *w = dg_new(struct dg_write);

	w->type = type;
	w->full = full;
	w->body = DG_BLOB_INIT;
	dg_buf_reserve(&w->space, space);
	return w;
}

/* A second owner of the same bytes. */
static void
share_body(struct dg_write *w, struct dg_body b)
{
	int fd = b.fd >= 0 ? dup(b.fd) : -1;

	if (fd < 0 || dg_blob_from_fd(&w->body, fd, NULL) < 0)
		w->body = (struct dg_blob){dg_xstrndup(b.p, b.n), b.n, -1};
}

uint64_t
dg_store_record(struct dg_store *s, const struct dg_row_request *row)
{
	struct dg_write *w = new_write(DG_W_RECORD, true,
		row->request_id.n + row->api.n + row->deployment.n + row->location.n +
			row->error.n);
	struct dg_row_request *r = &w->row.request;

	*r = *row;
	r->request_id = keep(w, row->request_id);
	r->api = keep(w, row->api);
	r->deployment = keep(w, row->deployment);
	r->location = keep(w, row->location);
	r->error = keep(w, row->error);
	share_body(w, row->body);
	return enqueue(s, w);
}

uint64_t
dg_store_sent(struct dg_store *s, uint64_t id)
{
	struct dg_write *w = new_write(DG_W_SENT, true, 0);

	w->row.request.id = id;
	return enqueue(s, w);
}

uint64_t
dg_store_answer(struct dg_store *s, uint64_t id, struct dg_body answer)
{
	struct dg_write *w = new_write(DG_W_ANSWER, false, 0);

	w->row.request.id = id;
	share_body(w, answer);
	return enqueue(s, w);
}

uint64_t
dg_store_forget(struct dg_store *s, uint64_t id)
{
	struct dg_write *w = new_write(DG_W_FORGET, false, 0);

	w->row.request.id = id;
	return enqueue(s, w);
}

uint64_t
dg_store_bury(
	struct dg_store *s, uint64_t id, struct dg_str request_id, struct dg_str answer)
{
	struct dg_write *w = new_write(DG_W_BURY, false, request_id.n + answer.n);

	w->row.request.id = id;
	w->key = keep(w, request_id);
	w->value = keep(w, answer);
	return enqueue(s, w);
}

uint64_t
dg_store_handle(struct dg_store *s, const struct dg_row_handle *row)
{
	struct dg_write *w = new_write(DG_W_HANDLE, true,
		row->key.n + row->deployment.n + row->location.n + row->nonce.n +
			row->handle.n);
	struct dg_row_handle *r = &w->row.handle;

	*r = *row;
	r->key = keep(w, row->key);
	r->deployment = keep(w, row->deployment);
	r->location = keep(w, row->location);
	r->nonce = keep(w, row->nonce);
	r->handle = keep(w, row->handle);
	return enqueue(s, w);
}

uint64_t
dg_store_meta(struct dg_store *s, const char *key, struct dg_str value)
{
	struct dg_write *w = new_write(DG_W_META, false, strlen(key) + value.n);

	w->key = keep(w, dg_str(key));
	w->value = keep(w, value);
	return enqueue(s, w);
}

void
dg_store_health(struct dg_store *s, struct dg_store_health *ret)
{
	dg_usec now = dg_now();

	*ret = (struct dg_store_health){.durable = s->durable};
	pthread_mutex_lock(&s->lock);
	ret->opened = s->opened;
	ret->reopened = s->reopened;
	ret->broken = s->broken;
	ret->broken_for = s->broken_since ? now - s->broken_since : 0;
	ret->batch_age = s->batch_since ? now - s->batch_since : 0;
	ret->queued = s->queued;
	ret->batches = s->batches;
	ret->writes = s->writes;
	if (s->broken)
		memcpy(ret->error, s->error, sizeof ret->error);
	memcpy(ret->damaged, s->damaged, sizeof ret->damaged);
	pthread_mutex_unlock(&s->lock);
}
