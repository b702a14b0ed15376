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
#include "ledger/store_sql.h"

#define RETRY_EVERY (500 * DG_MSEC)

STAILQ_HEAD(write_queue, dg_write);

struct dg_store {
	sd_event_source *io;
	int wake; /* eventfd: something was committed */
	dg_store_committed_fn *committed;
	void *arg;
	bool durable;
	uint64_t next_ticket;
	/* shared with the writer, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct write_queue queue;
	uint64_t queued, done_ticket, batches, writes;
	dg_usec batch_since;
	bool stop, broken, ended;
	char error[512];
	/* the writer's own */
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

static int
write_batch(struct dg_store *s, const struct write_queue *batch, struct dg_err *e)
{
	const struct dg_write *w;
	bool full = false;
	int r;

	STAILQ_FOREACH (w, batch, entry)
		full |= w->full;
	r = dg_sql_begin(&s->sql, full, e);
	STAILQ_FOREACH (w, batch, entry)
		if (r == 0)
			r = dg_sql_apply(&s->sql, w, e);
	if (r == 0)
		r = dg_sql_commit(&s->sql, e);
	if (r < 0)
		dg_sql_rollback(&s->sql);
	return r;
}

/* Under the lock. False: asked to stop. */
static bool
wait_a_bit(struct dg_store *s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(RETRY_EVERY * 1000);
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!s->stop)
		if (pthread_cond_timedwait(&s->more, &s->lock, &until) == ETIMEDOUT)
			return true;
	return false;
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
		int r;

		while (STAILQ_EMPTY(&s->queue) && !s->stop)
			pthread_cond_wait(&s->more, &s->lock);
		if (STAILQ_EMPTY(&s->queue))
			break;
		STAILQ_CONCAT(&batch, &s->queue);
		s->batch_since = dg_now();
		pthread_mutex_unlock(&s->lock);
		r = write_batch(s, &batch, &e);
		pthread_mutex_lock(&s->lock);
		s->batch_since = 0;
		s->broken = r < 0;
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
		r = dg_sql_open(&s->sql, dir, e);
		if (r == 0)
			r = dg_sql_load(&s->sql, load, e);
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
	ret->broken = s->broken;
	ret->batch_age = s->batch_since ? now - s->batch_since : 0;
	ret->queued = s->queued;
	ret->batches = s->batches;
	ret->writes = s->writes;
	if (s->broken)
		memcpy(ret->error, s->error, sizeof ret->error);
	pthread_mutex_unlock(&s->lock);
}
