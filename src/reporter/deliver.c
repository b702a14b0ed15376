/* reporter/deliver.c: answers, uploaded one by one or, where the configuration says so,
 * in batches per deployment. An answer is let go only when the control plane took it or
 * definitely refused it, or long after anybody waits for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"
#include "daglet/crash.h"
#include "daglet/limits.h"
#include "dagster/answer.h"
#include "log/log.h"
#include "reporter/reporter.h"

/* Uploads at once, and how many may be prepared (deflated) beyond that. */
#define UPLOADS_MAX 64
#define PREPARED_MAX (2 * UPLOADS_MAX)
/* Nobody waits for an answer so long after its request expired. */
#define TOO_LATE (3600 * (int64_t)DG_SEC)
/* The control plane's word on an upload. */
#define ANSWER_MAX ((size_t)1 << 20)
/* What was told lately and may have been lost with a dying ledger: it cannot have given
 * more than it holds. */
#define TOLD_MAX DG_PENDING_MAX
/* Larger answers are not put into batches. */
#define BATCHED_MAX ((size_t)256 * 1024)

struct upload;

struct delivery {
	TAILQ_ENTRY(delivery) entry; /* of the queue, a collector, or an upload */
	struct dg_deliver *d;
	uint64_t id;
	char *request_id, *api, *deployment;
	uint64_t expire;
	struct dg_blob response;
	struct dg_buf envelope;
	bool done;  /* told when there is a link again */
	bool alone; /* not in a batch any more */
	unsigned tries;
	int http;
	char *refusal; /* NULL: delivered */
};

TAILQ_HEAD(deliveries, delivery);

/* One call: a single answer, or a batch. */
struct upload {
	struct dg_deliver *d;
	LIST_ENTRY(upload) entry;
	struct deliveries members;
	size_t n;
	struct dg_buf body; /* of a batch */
	struct dg_cloud_spec spec;
};

/* What waits for its batch. */
struct collector {
	struct dg_deliver *d;
	char *deployment;
	struct deliveries waiting;
	size_t n;
	sd_event_source *timer;
};

struct dg_deliver {
	struct dg_reporter *r;
	struct dg_cloud_channel *channel;
	struct dg_map by_id;     /* id -> delivery: all */
	struct deliveries queue; /* not started */
	LIST_HEAD(, upload) under_way;
	struct dg_map collectors;
	bool batching;
	dg_usec batch_wait;
	size_t batch_max, uploads;
	uint64_t told[TOLD_MAX]; /* ids, a ring */
	size_t ntold;            /* since the start */
};

static void pump(struct dg_deliver *d);

static struct dg_str
key_of(const uint64_t *id)
{
	return dg_strn((const char *)id, sizeof(*id));
}

static void
delivery_free(struct delivery *v)
{
	dg_map_del(&v->d->by_id, key_of(&v->id));
	free(v->request_id);
	free(v->api);
	free(v->deployment);
	free(v->refusal);
	dg_blob_clear(&v->response);
	dg_buf_clear(&v->envelope);
	free(v);
}

static bool
is_linked(const struct dg_deliver *d)
{
	struct dg_link *l = d->r->worker->ledger;

	return l && dg_link_open(l);
}

/* Tell the ledger, and forget; without a link, later. */
static void
tell(struct delivery *v)
{
	struct dg_worker *w = v->d->r->worker;
	struct dg_msg_delivered ok = {.attempts = v->tries};
	struct dg_msg_refused no = {
		.http = (uint64_t)v->http, .text = dg_str(v->refusal)};

	v->done = true;
	if (!is_linked(v->d))
		return;
	if (v->refusal)
		dg_worker_send(w, DG_MSG_REFUSED, v->id, &no);
	else
		dg_worker_send(w, DG_MSG_DELIVERED, v->id, &ok);
	v->d->told[v->d->ntold++ % TOLD_MAX] = v->id;
	delivery_free(v);
}

static void
upload_free(struct upload *u)
{
	LIST_REMOVE(u, entry);
	u->d->uploads--;
	dg_buf_clear(&u->body);
	free(u);
}

static void
on_done(struct dg_cloud_result *r, void *arg)
{
	struct upload *u = arg;
	struct dg_deliver *d = u->d;
	struct delivery *v;
	bool refused_batch = r->cls != 0 && u->n > 1;

	if (r->cls == 0) {
		(void)DG_CRASH_AFTER(UPLOAD);
		dg_worker_success(d->r->worker);
	}
	while ((v = TAILQ_FIRST(&u->members))) {
		TAILQ_REMOVE(&u->members, v, entry);
		v->tries += r->tries;
		v->http = r->http;
		if (refused_batch) { /* one of them is to blame: each by itself */
			v->alone = true;
			TAILQ_INSERT_HEAD(&d->queue, v, entry);
			continue;
		}
		if (r->cls) {
			v->refusal = dg_xstrndup(
				r->text, strnlen(r->text, DG_MSG_STRING_MAX / 2));
			d->r->refused++;
		} else {
			d->r->delivered++;
		}
		tell(v);
	}
	upload_free(u);
	pump(d);
	dg_reporter_done(d->r);
}

static void
start(struct upload *u)
{
	const struct delivery *first = TAILQ_FIRST(&u->members);
	struct dg_cloud_spec *s = &u->spec;

	s->how = DG_CALL_MULTIPART;
	s->scope = DG_SCOPE_DEPLOYMENT;
	s->deployment = dg_str(first->deployment);
	s->path = "/upload_api_response";
	s->policy = DG_RETRY_DELIVER;
	s->idempotent = true;
	s->limit = ANSWER_MAX;
	s->done = on_done;
	s->arg = u;
	(void)DG_CRASH_BEFORE(UPLOAD);
	dg_cloud_start(u->d->channel, s);
}

static int64_t
give_up_at(const struct delivery *v)
{
	return v->expire ? (int64_t)v->expire + TOO_LATE : 0;
}

static struct upload *
upload_new(struct dg_deliver *d)
{
	struct upload *u = dg_new(struct upload);

	u->d = d;
	TAILQ_INIT(&u->members);
	LIST_INSERT_HEAD(&d->under_way, u, entry);
	d->uploads++;
	return u;
}

static void
upload_one(struct delivery *v)
{
	struct upload *u = upload_new(v->d);
	struct dg_cloud_spec *s = &u->spec;

	s->file = "api_response.tmp";
	s->give_up = give_up_at(v);
	TAILQ_INSERT_TAIL(&u->members, v, entry);
	u->n = 1;
	s->body[0] = dg_buf_str(&v->envelope);
	s->body[1] = dg_blob_str(&v->response);
	s->body[2] = DG_STR(DG_ANSWER_ENVELOPE_END);
	s->body_n = 3;
	start(u);
}

static void
upload_batch(struct collector *c)
{
	struct upload *u = upload_new(c->d);
	struct dg_cloud_spec *s = &u->spec;
	struct delivery *v;

	s->file = "api_response_batch.tmp";
	dg_buf_adds(&u->body, DG_ANSWER_BATCH_BEGIN);
	while (u->n < c->d->batch_max && (v = TAILQ_FIRST(&c->waiting))) {
		TAILQ_REMOVE(&c->waiting, v, entry);
		TAILQ_INSERT_TAIL(&u->members, v, entry);
		c->n--;
		if (u->n++)
			dg_buf_adds(&u->body, ", ");
		dg_buf_addstr(&u->body, dg_buf_str(&v->envelope));
		dg_buf_addstr(&u->body, dg_blob_str(&v->response));
		dg_buf_adds(&u->body, DG_ANSWER_ENVELOPE_END);
		if (give_up_at(v) > s->give_up)
			s->give_up = give_up_at(v);
	}
	dg_buf_adds(&u->body, DG_ANSWER_BATCH_END);
	s->body[0] = dg_buf_str(&u->body);
	s->body_n = 1;
	start(u);
}

static int
on_batch_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	struct collector *c = arg;

	(void)src;
	(void)usec;
	while (c->n)
		upload_batch(c);
	return 0;
}

static void
collect(struct delivery *v)
{
	struct dg_deliver *d = v->d;
	struct collector *c = dg_map_get(&d->collectors, dg_str(v->deployment));

	if (!c) {
		c = dg_new(struct collector);
		c->d = d;
		c->deployment = dg_xstrdup(v->deployment);
		TAILQ_INIT(&c->waiting);
		if (sd_event_add_time(d->r->worker->event, &c->timer, CLOCK_MONOTONIC, 0,
			    DG_MSEC, on_batch_timer, c) < 0)
			dg_bug(__FILE__, __LINE__, "no timer");
		sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
		dg_map_put(&d->collectors, dg_str(c->deployment), c);
	}
	TAILQ_INSERT_TAIL(&c->waiting, v, entry);
	if (++c->n >= d->batch_max) {
		sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
		upload_batch(c);
	} else if (c->n == 1) {
		sd_event_source_set_time(c->timer, dg_now() + d->batch_wait);
		sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
	}
}

static void
pump(struct dg_deliver *d)
{
	struct delivery *v;

	while (d->uploads < PREPARED_MAX && (v = TAILQ_FIRST(&d->queue))) {
		TAILQ_REMOVE(&d->queue, v, entry);
		if (d->batching && !v->alone && v->response.n <= BATCHED_MAX)
			collect(v);
		else
			upload_one(v);
	}
}

void
dg_deliver_take(struct dg_deliver *d, uint64_t id, struct dg_msg_deliver *m)
{
	struct delivery *v = dg_map_get(&d->by_id, key_of(&id));

	if (v) {
		if (v->done) /* told while there was no link */
			tell(v);
		return;
	}
	v = dg_new(struct delivery);
	v->d = d;
	v->id = id;
	v->request_id = dg_str_dup(m->request_id);
	v->api = dg_str_dup(m->api);
	v->deployment = dg_str_dup(m->deployment);
	v->expire = m->expire;
	dg_body_take(&m->response, &v->response);
	dg_answer_envelope_begin(&v->envelope, dg_str(v->api), dg_str(v->request_id));
	dg_map_put(&d->by_id, key_of(&v->id), v);
	TAILQ_INSERT_TAIL(&d->queue, v, entry);
	pump(d);
}

void
dg_deliver_linked(struct dg_deliver *d)
{
	struct dg_msg_have m = {.stage = DG_HAVE_WORKING};
	struct dg_msg_delivered ok = {0};
	size_t n = d->ntold < TOLD_MAX ? d->ntold : TOLD_MAX;

	/* Ids are never used again: one that the ledger has forgotten says nothing. */
	for (size_t i = d->ntold - n; i < d->ntold; i++)
		dg_worker_send(
			d->r->worker, DG_MSG_DELIVERED, d->told[i % TOLD_MAX], &ok);
	DG_MAP_EACH(&d->by_id, s)
	{
		struct delivery *v = s->value;

		dg_worker_send(d->r->worker, DG_MSG_HAVE, v->id, &m);
		if (v->done)
			tell(v);
	}
}

size_t
dg_deliver_open(const struct dg_deliver *d)
{
	return dg_map_count(&d->by_id);
}

static int
read_settings(struct dg_deliver *d, struct dg_err *e)
{
#define BATCH "env.DAGSTER_BATCHING__UPLOAD_API_RESPONSE__"
	const struct dg_settings *s = d->r->worker->settings;
	int64_t ms = dg_settings_int(s, BATCH "MAX_WAIT_MS");
	int64_t n = dg_settings_int(s, BATCH "MAX_BATCH_SIZE");
#undef BATCH

	d->batching = dg_settings_bool(
		s, "env.DAGSTER_CLOUD_AGENT_UPLOAD_API_RESPONSE_BATCHING_ENABLED");
	d->batch_wait = (dg_usec)(ms > 0 ? ms : 50) * DG_MSEC;
	d->batch_max = n > 0 ? (size_t)n : 32;
	return dg_cloud_channel_new(&d->channel, d->r->cloud, UPLOADS_MAX, e);
}

int
dg_deliver_new(struct dg_reporter *r, struct dg_err *e)
{
	struct dg_deliver *d = dg_new(struct dg_deliver);

	r->deliver = d;
	d->r = r;
	d->by_id = DG_MAP_INIT;
	d->collectors = DG_MAP_INIT;
	TAILQ_INIT(&d->queue);
	return read_settings(d, e);
}

int
dg_deliver_apply(struct dg_deliver *d, struct dg_err *e)
{
	struct upload *u;
	int r = read_settings(d, e);

	if (r < 0)
		return r;
	LIST_FOREACH (u, &d->under_way, entry)
		start(u);
	return 0;
}

/* After the cloud: no call is under way any more. */
void
dg_deliver_free(struct dg_deliver *d)
{
	if (!d)
		return;
	while (!LIST_EMPTY(&d->under_way))
		upload_free(LIST_FIRST(&d->under_way));
	DG_MAP_EACH(&d->by_id, s)
	delivery_free(s->value);
	DG_MAP_EACH(&d->collectors, s)
	{
		struct collector *c = s->value;

		sd_event_source_disable_unref(c->timer);
		free(c->deployment);
		free(c);
	}
	dg_map_clear(&d->by_id);
	dg_map_clear(&d->collectors);
	free(d);
}
