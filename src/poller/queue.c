/* poller/queue.c: pops of one queue.
 *
 * A slot is a memfd that the ledger was given (POP_RAW) and that one pop's answer is
 * written into, before its requests are passed on. It is emptied when the ledger has
 * acknowledged all of them: what stands in it when this process dies is what the ledger
 * has to look at. After a new link everything in the slots is told again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/rand.h"
#include "cloud/documents.h"
#include "daglet/crash.h"
#include "daglet/limits.h"
#include "dagster/popped.h"
#include "log/log.h"
#include "poller/names.h"
#include "poller/pace.h"
#include "poller/poller.h"
#include "poller/probe.h"
#include "json/json.h"
#include "json/write.h"

/* A request whose body names no end of its validity. */
#define EXPIRE_DEFAULT (600 * (int64_t)DG_SEC)

struct queue;

struct slot {
	struct queue *q;
	unsigned n;
	int fd;             /* -1: not used yet */
	size_t len;         /* bytes of the answer so far */
	bool popping;       /* a pop writes into it */
	bool held;          /* not emptied: its requests are not all recorded */
	bool failed;        /* the file took no more */
	uint64_t last;      /* id of its last REQUEST */
	struct dg_buf seqs; /* ids of its REQUESTs on this link, uint64_t */
	size_t acked;   /* its first requests, recorded by ledgers before this link's */
	size_t index;   /* of the next request */
	int64_t popped; /* real time of its first byte */
	dg_usec began;  /* the pop */
	dg_usec heard;  /* when something last came of it */
	bool silent;    /* given up as such: it is in flight, and does not count */
	struct dg_popped_split *split;
	struct dg_str map; /* while the answer is judged */
	struct dg_buf variables;
};

struct queue {
	struct dg_poller *p;
	struct slot slots[DG_POP_SLOTS];
	struct dg_pace pace;
	dg_usec patience; /* with a silent pop */
	struct dg_probe *probe;
	sd_event_source *timer;
	const char *name; /* NULL: the default queue */
	bool branch;
	bool scoped;           /* a SCOPE came */
	struct dg_names scope; /* full deployments */
	uint64_t seq;          /* of REQUESTs on this link */
	uint64_t recorded;     /* all up to here are */
	uint64_t sent_bytes;
	uint64_t credit, credit_bytes; /* counted from the link's beginning */
	uint64_t total;                /* popped since the start */
	bool draining;                 /* nothing is popped */
	bool renew; /* the settings changed: a new client when no pop is under way */
};

static void pump(struct queue *q);

static bool
is_linked(const struct queue *q)
{
	return q->p->worker->ledger && dg_link_open(q->p->worker->ledger);
}

static void
compose(struct slot *s)
{
	struct queue *q = s->q;
	struct dg_jw w;

	dg_buf_reset(&s->variables);
	w = dg_jw(&s->variables);
	dg_jw_open_object(&w);
	dg_jw_kbool(&w, "forBranchDeployments", q->branch);
	dg_jw_key(&w, "forFullDeployments");
	dg_jw_place(&w);
	dg_names_json(&q->scope, &s->variables);
	dg_jw_key(&w, "agentQueues");
	dg_jw_open_array(&w);
	dg_jw_str(&w, q->name);
	dg_jw_close_array(&w);
	dg_jw_close_object(&w);
}

static void
on_item(void *arg, const struct dg_popped *item)
{
	struct slot *s = arg;
	struct queue *q = s->q;
	int64_t skew = dg_cloud_skew(q->p->cloud);
	struct dg_msg_request m = {.slot = s->n,
		.kind = item->kind,
		.branch = item->branch,
		.expire = item->expire ? item->expire - (uint64_t)skew
				       : (uint64_t)(s->popped + EXPIRE_DEFAULT),
		.popped = (uint64_t)s->popped,
		.request_id = item->request_id,
		.api = item->api,
		.deployment = item->deployment,
		.location = item->location,
		.error = item->error,
		.body = DG_BODY_STR(item->body)};

	if (!item->request_id.n) {
		dg_log(LOG_ERR, "a popped request has no id and cannot be answered: %.*s",
			DG_FMT(item->error));
		return;
	}
	if (s->index++ < s->acked)
		return; /* told before, and maybe answered and forgotten by now */
	if (!is_linked(q))
		return; /* told again when there is a link */
	s->last = ++q->seq;
	dg_buf_add(&s->seqs, &s->last, sizeof s->last);
	q->sent_bytes += item->body.n;
	dg_worker_send(q->p->worker, DG_MSG_REQUEST, s->last, &m);
}

static void
on_heard(struct slot *s)
{
	s->heard = dg_now();
	if (!s->silent)
		return;
	s->silent = false;
	dg_pace_heard(&s->q->pace);
	dg_probe_stop(s->q->probe);
}

static void
on_data(struct dg_str bytes, void *arg)
{
	struct slot *s = arg;
	struct dg_err e;

	on_heard(s);

	if (!s->len) {
		s->popped = dg_wall_usec();
	}
	while (bytes.n && !s->failed) {
		ssize_t n;

		(void)DG_CRASH_BEFORE(KEEP);
		n = pwrite(s->fd, bytes.p, bytes.n, (off_t)s->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			dg_log(LOG_ERR, "a popped answer cannot be kept: %s",
				strerror(errno));
			s->failed = true; /* pass on what comes, without a net */
			break;
		}
		(void)DG_CRASH_AFTER(KEEP);
		if (dg_popped_split_feed(s->split, dg_strn(bytes.p, (size_t)n), &e) < 0)
			dg_log_err(LOG_ERR, &e, NULL);
		s->len += (size_t)n;
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	if (s->failed && bytes.n)
		(void)dg_popped_split_feed(s->split, bytes, &e);
}

static struct dg_str
on_judge(void *arg)
{
	struct slot *s = arg;
	struct dg_err e;

	if (s->len && dg_map(s->fd, DG_HTTP_BODY_MAX, &s->map, &e) < 0)
		dg_log_err(LOG_ERR, &e, NULL);
	return s->map;
}

/* Empty the slot when nothing in it is needed any more. */
static void
settle(struct slot *s, uint64_t recorded)
{
	if (s->popping || !s->held || s->last > recorded)
		return;
	if (s->len && ftruncate(s->fd, 0) < 0)
		dg_log(LOG_ERR, "a popped answer cannot be removed: %s", strerror(errno));
	s->held = false;
}

static void
done_if_drained(struct queue *q)
{
	if (!q->p->worker->quiescing && !q->draining)
		return;
	for (size_t i = 0; i < DG_POP_SLOTS; i++)
		if (q->slots[i].popping || q->slots[i].held)
			return;
	if (q->p->worker->quiescing)
		dg_worker_done(q->p->worker, 0);
	else
		dg_worker_idle(q->p->worker, 0);
}

static void
on_popped(struct dg_cloud_result *r, void *arg)
{
	struct slot *s = arg;
	struct queue *q = s->q;
	size_t count = dg_popped_split_count(s->split);
	struct dg_msg_pop_end end = {.slot = s->n,
		.count = count,
		.cut = s->len && !dg_popped_split_closed(s->split)};
	enum dg_pace_end how = count >= DG_POP_FULL ? DG_PACE_FULL
			       : count              ? DG_PACE_SOME
						    : DG_PACE_EMPTY;

	if (count)
		(void)DG_CRASH_AFTER(POP);
	dg_unmap(s->map);
	s->map = DG_STR_NULL;
	s->popping = false;
	if (r->http)
		on_heard(s);
	if (s->silent) {
		how = DG_PACE_LOST;
	} else if (r->cls) {
		dg_poller_failed(q->p, "popping requests", r, true);
		if (count)
			dg_log(LOG_WARNING,
				"%zu requests of an answer that was cut are served",
				count);
		how = DG_PACE_TROUBLE;
	} else {
		dg_poller_worked(q->p, "popping requests");
		q->total += count;
		dg_worker_say(q->p->worker, "%llu requests popped, up to %u pops at once",
			(unsigned long long)q->total, q->pace.window);
	}
	dg_pace_ended(&q->pace, dg_now(), how, dg_now() - s->began, r->wait,
		(uint32_t)dg_random_below(UINT32_MAX));
	dg_worker_send(q->p->worker, DG_MSG_POP_END, 0, &end);
	if (!count)
		settle(s, UINT64_MAX);
	done_if_drained(q);
	pump(q);
}

static int
slot_open(struct slot *s)
{
	struct dg_msg_pop_raw m = {.slot = s->n};
	struct dg_err e;

	if (s->fd >= 0)
		return 0;
	s->fd = dg_memfd("daglet-pop", &e);
	if (s->fd < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		return -1;
	}
	s->split = dg_popped_split_new(on_item, s);
	m.raw = s->fd;
	dg_worker_send(s->q->p->worker, DG_MSG_POP_RAW, 0, &m);
	return 0;
}

static void
pop(struct queue *q, struct slot *s)
{
	struct dg_cloud_spec spec = {.how = DG_CALL_GRAPHQL,
		.scope = DG_SCOPE_ORGANIZATION,
		.document = dg_doc_pop,
		.policy = DG_RETRY_NONE,
		.data = on_data,
		.answer = on_judge,
		.done = on_popped,
		.arg = s};

	s->popping = s->held = true;
	s->failed = false;
	s->began = s->heard = dg_now();
	s->silent = false;
	s->len = 0;
	s->last = 0;
	s->acked = s->index = 0;
	dg_buf_reset(&s->seqs);
	dg_popped_split_reset(s->split);
	compose(s);
	spec.body[0] = dg_buf_str(&s->variables);
	spec.body_n = 1;
	dg_pace_began(&q->pace);
	(void)DG_CRASH_BEFORE(POP);
	dg_cloud_start(q->p->channel, &spec);
}

/* Room for what a pop may bring: ten requests per full deployment, ten for branches. */
static bool
has_credit(const struct queue *q)
{
	uint64_t each = DG_POP_FULL * (q->scope.n + (q->branch ? 1 : 0));
	uint64_t due = q->seq + each * q->pace.in_flight;

	if (!is_linked(q) || q->sent_bytes >= q->credit_bytes)
		return false;
	return due + each <= q->credit || (!q->pace.in_flight && q->seq < q->credit);
}

static struct slot *
free_slot(struct queue *q)
{
	for (size_t i = 0; i < DG_POP_SLOTS; i++)
		if (!q->slots[i].popping && !q->slots[i].held)
			return &q->slots[i];
	return NULL;
}

/* Give up what has been silent for too long; when the next one will have been. */
static dg_usec
look_for_silence(struct queue *q)
{
	dg_usec now = dg_now(), next = DG_USEC_NEVER;
	struct dg_cloud_result r = {0};
	char text[64];

	for (size_t i = 0; i < DG_POP_SLOTS; i++) {
		struct slot *s = &q->slots[i];

		if (!s->popping || s->silent)
			continue;
		if (s->heard + q->patience > now) {
			if (s->heard + q->patience < next)
				next = s->heard + q->patience;
			continue;
		}
		s->silent = true;
		dg_pace_silence(&q->pace);
		snprintf(text, sizeof text, "no answer for %.0f s",
			(double)q->patience / DG_SEC);
		r.text = text;
		dg_poller_failed(q->p, "popping requests", &r, true);
	}
	if (q->pace.closed && !q->p->worker->quiescing && !q->renew)
		dg_probe_start(q->probe, &q->scope);
	return next;
}

static void
on_answers(void *arg)
{
	struct queue *q = arg;

	dg_pace_open(&q->pace, dg_now());
	pump(q);
}

/* Begin what may begin, and set the timer for the rest. */
static void
pump(struct queue *q)
{
	struct slot *s;
	dg_usec next, silence = look_for_silence(q);

	if (q->renew &&
		!q->pace.in_flight) { /* at the next turn: this may be a callback */
		sd_event_source_set_time(q->timer, 0);
		sd_event_source_set_enabled(q->timer, SD_EVENT_ONESHOT);
	}
	if (q->renew)
		return;
	while (q->scoped && (q->scope.n || q->branch) && !q->p->worker->quiescing &&
		!q->draining && has_credit(q) && dg_pace_may(&q->pace, dg_now()) &&
		(s = free_slot(q)) && slot_open(s) == 0)
		pop(q, s);
	next = dg_pace_next(&q->pace);
	if (next <= dg_now()) /* an event will call again */
		next = DG_USEC_NEVER;
	if (q->pace.in_flight > q->pace.silent && silence == DG_USEC_NEVER)
		silence = dg_now() + q->patience; /* of one that began just now */
	if (silence < next)
		next = silence;
	if (next == DG_USEC_NEVER)
		return;
	sd_event_source_set_time(q->timer, next);
	sd_event_source_set_enabled(q->timer, SD_EVENT_ONESHOT);
}

static void
read_patience(struct queue *q)
{
	int64_t timeout =
		dg_settings_int(q->p->worker->settings, "dagster_cloud_api.timeout");

	q->patience =
		dg_pace_patience(timeout > 0 ? (dg_usec)timeout * DG_SEC : DG_MINUTE);
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	struct queue *q = arg;

	(void)src;
	(void)usec;
	if (q->renew && !q->pace.in_flight) {
		q->renew = false;
		dg_poller_renew(q->p);
		dg_probe_forget(q->probe);
		read_patience(q);
		q->branch = dg_settings_bool(
			q->p->worker->settings, "dagster_cloud_api.branch_deployments");
	}
	pump(q);
	return 0;
}

/* A pop under way is not broken off: the new client waits for it. */
static void
queue_apply(struct dg_poller *p)
{
	struct queue *q = p->data;

	q->renew = true;
	dg_probe_stop(q->probe);
	pump(q);
}

static int
queue_setup(struct dg_poller *p, struct dg_err *e)
{
	struct queue *q = dg_new(struct queue);
	const struct dg_settings *s = p->worker->settings;
	double interval =
		dg_settings_float(s, "env.DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS");
	int r;

	if (!dg_settings_has(s, "env.DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS") ||
		!(interval >= 0))
		interval = 0.5;
	p->data = q;
	q->p = p;
	for (unsigned i = 0; i < DG_POP_SLOTS; i++)
		q->slots[i] = (struct slot){.q = q, .n = i, .fd = -1};
	q->name = strncmp(p->worker->inst, "queue/", 6) == 0 ? p->worker->inst + 6 : NULL;
	q->branch = dg_settings_bool(s, "dagster_cloud_api.branch_deployments");
	dg_pace_init(&q->pace, (dg_usec)(interval * (double)DG_SEC), DG_POPS_MAX);
	r = sd_event_add_time(p->worker->event, &q->timer, CLOCK_MONOTONIC, 0,
		5 * DG_MSEC, on_timer, q);
	if (r < 0 || (r = sd_event_source_set_enabled(q->timer, SD_EVENT_OFF)) < 0)
		return dg_fail(e, DG_TRANSPORT, -r, "no timer");
	read_patience(q);
	return dg_probe_new(&q->probe, p, on_answers, q, e);
}

static void
count_acked(struct slot *s)
{
	const uint64_t *seqs = (const uint64_t *)(const void *)s->seqs.p;

	for (size_t i = 0; i < s->seqs.n / sizeof *seqs; i++)
		s->acked += seqs[i] <= s->q->recorded;
	dg_buf_reset(&s->seqs);
	s->index = 0;
}

/* Everything in the slots once more, but for what is known to be recorded. */
static void
tell_again(struct slot *s)
{
	struct dg_msg_pop_raw m = {.slot = s->n, .raw = s->fd};
	struct dg_str bytes = DG_STR_NULL;
	struct dg_err e;

	if (s->fd < 0)
		return;
	dg_worker_send(s->q->p->worker, DG_MSG_POP_RAW, 0, &m);
	s->last = 0;
	count_acked(s);
	if (!s->held || !s->len)
		return;
	if (dg_map(s->fd, DG_HTTP_BODY_MAX, &bytes, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		return;
	}
	dg_popped_split_reset(s->split);
	(void)dg_popped_split_feed(s->split, bytes, &e);
	dg_unmap(bytes);
	if (!s->popping && !s->last)
		settle(s, UINT64_MAX);
}

static void
queue_linked(struct dg_poller *p)
{
	struct queue *q = p->data;

	q->seq = q->sent_bytes = q->credit = q->credit_bytes = 0;
	for (size_t i = 0; i < DG_POP_SLOTS; i++)
		tell_again(&q->slots[i]);
	q->recorded = 0;
	dg_worker_send(p->worker, DG_MSG_HAVE_END, 0, NULL);
}

static void
queue_message(struct dg_poller *p, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct queue *q = p->data;

	switch (type) {
	case DG_MSG_CREDIT: {
		const struct dg_msg_credit *m = payload;

		q->credit = m->requests;
		q->credit_bytes = m->bytes;
		break;
	}
	case DG_MSG_SCOPE: {
		const struct dg_msg_scope *m = payload;

		dg_names_read(&q->scope, dg_strn(m->names.p, m->names.n));
		q->scoped = true;
		break;
	}
	case DG_MSG_RECORDED:
		q->recorded = id;
		for (size_t i = 0; i < DG_POP_SLOTS; i++)
			settle(&q->slots[i], id);
		done_if_drained(q);
		break;
	default:
		return;
	}
	pump(q);
}

static void
queue_quiesce(struct dg_poller *p)
{
	struct queue *q = p->data;

	sd_event_source_set_enabled(q->timer, SD_EVENT_OFF);
	dg_probe_stop(q->probe);
	done_if_drained(q);
}

static void
queue_drain(struct dg_poller *p, bool on)
{
	struct queue *q = p->data;

	q->draining = on;
	done_if_drained(q);
	pump(q);
}

static void
queue_teardown(struct dg_poller *p)
{
	struct queue *q = p->data;

	if (!q)
		return;
	for (size_t i = 0; i < DG_POP_SLOTS; i++) {
		dg_popped_split_free(q->slots[i].split);
		dg_buf_clear(&q->slots[i].variables);
		dg_buf_clear(&q->slots[i].seqs);
		dg_closep(&q->slots[i].fd);
	}
	sd_event_source_disable_unref(q->timer);
	dg_probe_free(q->probe);
	dg_names_clear(&q->scope);
	free(q);
}

const struct dg_poller_kind dg_poller_queue = {.setup = queue_setup,
	.linked = queue_linked,
	.message = queue_message,
	.apply = queue_apply,
	.quiesce = queue_quiesce,
	.drain = queue_drain,
	.teardown = queue_teardown};
