/* poller/pops.c: one queue's pops: handed to the ledger while they still arrive.
 *
 * Every pop has a slot with a memfd that the ledger holds as well: the bytes go there
 * before anything else is done with them, so this process may die at any moment without
 * losing what has arrived. A request is kept here until it is acknowledged, and sent
 * again on a new link. A pop under way is never given up: its answer cannot be asked for
 * twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/rand.h"
#include "cloud/documents.h"
#include "daglet/crash.h"
#include "daglet/limits.h"
#include "dagster/popped.h"
#include "log/log.h"
#include "poller/pace.h"
#include "poller/poller.h"

struct pops;

struct slot {
	struct pops *p;
	unsigned number;
	int fd; /* -1 until first used */
	bool busy, told;
	uint64_t last_seq; /* the slot's newest request: it must be recorded before reuse
			    */
	struct dg_buf body, variables;
	struct dg_popped_split *split;
	struct dg_cloud_call *call;
	size_t count; /* requests of this pop */
};

struct kept {
	TAILQ_ENTRY(kept) entry;
	uint64_t seq;
	struct dg_msg_request m; /* strings in space, body in blob */
	struct dg_buf space;
	struct dg_blob body;
};

struct pops {
	struct dg_worker *w;
	struct dg_cloud *cloud;
	struct dg_cloud_channel *channel;
	struct dg_pace pace;
	sd_event_source *timer;
	struct slot slots[DG_POPS_MAX];
	TAILQ_HEAD(, kept) kept;
	uint64_t next_seq, recorded;
	uint64_t sent, sent_bytes;     /* on this link */
	uint64_t credit, credit_bytes; /* of this link */
	struct dg_buf queue, scope;    /* JSON */
	bool branches, scope_known, some_scope;
	uint64_t popped;
	char last_text[256];
	dg_usec last_said;
};

static void pump(struct pops *p);

/* Requests. */

static void
send_kept(struct pops *p, struct kept *k)
{
	k->m.body = dg_blob_body(&k->body);
	p->sent++;
	p->sent_bytes += k->body.n;
	dg_worker_send(p->w, DG_MSG_REQUEST, k->seq, &k->m);
	(void)DG_CRASH(REQUEST_SENT);
}

static struct dg_str
keep(struct kept *k, struct dg_str s)
{
	struct dg_str at = {k->space.p + k->space.n, s.n};

	dg_buf_addstr(&k->space, s);
	return at;
}

static void
on_popped(void *arg, const struct dg_popped *item)
{
	struct slot *s = arg;
	struct pops *p = s->p;
	struct kept *k;
	struct dg_err e;

	if (!item->request_id.n) { /* nobody to answer to */
		dg_log(LOG_ERR, "a popped request cannot be answered: %.*s",
			DG_FMT(item->error));
		return;
	}
	k = dg_new(struct kept);
	dg_buf_reserve(&k->space, item->request_id.n + item->api.n + item->deployment.n +
					  item->location.n + item->error.n);
	k->seq = ++p->next_seq;
	k->m = (struct dg_msg_request){
		.slot = s->number,
		.kind = item->kind,
		.branch = item->branch,
		.expire = item->expire,
		.popped = (uint64_t)dg_wall_usec(),
		.request_id = keep(k, item->request_id),
		.api = keep(k, item->api),
		.deployment = keep(k, item->deployment),
		.location = keep(k, item->location),
		.error = keep(k, item->error),
	};
	if (dg_blob_from(&k->body, item->body, &e) < 0)
		dg_log_err(LOG_ERR, &e, NULL);
	TAILQ_INSERT_TAIL(&p->kept, k, entry);
	s->last_seq = k->seq;
	s->count++;
	p->popped++;
	send_kept(p, k);
}

static void
on_recorded(struct pops *p, uint64_t seq)
{
	struct kept *k;

	while ((k = TAILQ_FIRST(&p->kept)) && k->seq <= seq) {
		TAILQ_REMOVE(&p->kept, k, entry);
		dg_buf_clear(&k->space);
		dg_blob_clear(&k->body);
		free(k);
	}
	if (seq > p->recorded)
		p->recorded = seq;
}

/* Pops. */

static void
tell_slot(struct pops *p, struct slot *s)
{
	struct dg_msg_pop_raw m = {s->number, s->fd};

	dg_worker_send(p->w, DG_MSG_POP_RAW, s->number, &m);
	s->told = true;
}

/* A slot whose requests are all on disk: its memfd may be written anew. */
static struct slot *
free_slot(struct pops *p)
{
	for (size_t i = 0; i < DG_N(p->slots); i++)
		if (!p->slots[i].busy && p->slots[i].last_seq <= p->recorded)
			return &p->slots[i];
	return NULL;
}

static void
on_data(struct dg_str bytes, void *arg)
{
	struct slot *s = arg;
	struct dg_err e;

	if (!s->body.n && (lseek(s->fd, 0, SEEK_SET) < 0 || ftruncate(s->fd, 0) < 0))
		dg_log(LOG_ERR, "a pop's memfd cannot be reused");
	if (dg_write_all(s->fd, bytes.p, bytes.n, &e) < 0)
		dg_log_err(LOG_ERR, &e, NULL);
	(void)DG_CRASH(POPPED);
	dg_buf_addstr(&s->body, bytes);
	if (dg_popped_split_feed(s->split, bytes, &e) < 0)
		dg_log_err(LOG_ERR, &e, NULL);
}

static struct dg_str
whole_answer(void *arg)
{
	return dg_buf_str(&((struct slot *)arg)->body);
}

/* The same trouble once a minute is enough for the log and the heartbeat. */
static void
say_trouble(struct pops *p, const char *text)
{
	dg_usec now = dg_now();

	if (strncmp(p->last_text, text, sizeof p->last_text - 1) == 0 &&
		now - p->last_said < DG_MINUTE)
		return;
	snprintf(p->last_text, sizeof p->last_text, "%s", text);
	p->last_said = now;
	dg_log(LOG_WARNING, "cannot pop requests: %s", text);
	dg_poller_trouble(p->w, "cannot pop requests", text);
}

static void
on_done(struct dg_cloud_result *r, void *arg)
{
	struct slot *s = arg;
	struct pops *p = s->p;
	struct dg_msg_pop_end end = {s->number, s->count, r->cls != 0};
	uint32_t random;

	s->call = NULL;
	s->busy = false;
	if (s->body.cap > 1 << 20)
		dg_buf_clear(&s->body);
	if (r->cls == 0 ||
		s->count) { /* a cut answer that brought something is work, too */
		if (r->cls == 0 && p->last_text[0]) {
			dg_log(LOG_NOTICE, "requests can be popped again");
			p->last_text[0] = '\0';
		}
		dg_worker_success(p->w);
		dg_pace_popped(&p->pace, s->count, dg_now());
	}
	if (r->cls) {
		say_trouble(p, r->text);
		if (!s->count) {
			dg_random(&random, sizeof random);
			dg_pace_failed(&p->pace, r->wait, random, dg_now());
		}
	}
	if (s->count)
		dg_worker_send(p->w, DG_MSG_POP_END, p->next_seq, &end);
	pump(p);
}

static void
pop(struct pops *p, struct slot *s)
{
	struct dg_cloud_spec spec = {
		.how = DG_CALL_GRAPHQL,
		.scope = DG_SCOPE_ORGANIZATION,
		.document = dg_doc_pop,
		.body_n = 1,
		.policy = DG_RETRY_NONE, /* what was popped cannot be popped again */
		.data = on_data,
		.answer = whole_answer,
		.done = on_done,
		.arg = s,
	};
	struct dg_err e;

	if (s->fd < 0) {
		s->fd = dg_memfd("daglet-pop", &e);
		if (s->fd < 0) {
			dg_log_err(LOG_ERR, &e, NULL);
			return;
		}
	}
	if (!s->told)
		tell_slot(p, s);
	s->busy = true;
	s->count = 0;
	dg_buf_reset(&s->body);
	dg_popped_split_reset(s->split);
	dg_buf_reset(&s->variables);
	dg_buf_addf(&s->variables,
		"{\"forBranchDeployments\": %s, \"forFullDeployments\": %s, "
		"\"agentQueues\": %s}",
		p->branches ? "true" : "false", dg_buf_str(&p->scope).p,
		dg_buf_str(&p->queue).p);
	spec.body[0] = dg_buf_str(&s->variables);
	dg_pace_started(&p->pace, dg_now());
	s->call = dg_cloud_start(p->channel, &spec);
}

static bool
allowed(const struct pops *p)
{
	uint64_t under_way = (uint64_t)(p->pace.in_flight + 1) * DG_POP_FULL;

	return p->w->ledger && !p->w->quiescing && p->scope_known &&
	       (p->some_scope || p->branches) && p->sent + under_way <= p->credit &&
	       p->sent_bytes < p->credit_bytes && !dg_link_full(p->w->ledger);
}

static void
pump(struct pops *p)
{
	dg_usec now = dg_now();
	struct slot *s;

	while (allowed(p) && dg_pace_may(&p->pace, now) && (s = free_slot(p)))
		pop(p, s);
	if (p->w->quiescing && !p->pace.in_flight && TAILQ_EMPTY(&p->kept))
		dg_worker_done(p->w);
	if (allowed(p) && p->pace.in_flight < p->pace.target && p->pace.next > now) {
		sd_event_source_set_time(p->timer, p->pace.next);
		sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
	}
}

static int
on_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	pump(arg);
	return 0;
}

static void
on_scope(struct pops *p, const struct dg_msg_scope *m)
{
	dg_buf_reset(&p->scope);
	dg_poller_names_json(dg_strn(m->names.p, m->names.n), &p->scope);
	p->scope_known = true;
	p->some_scope = p->scope.n > 2; /* not [] */
}

/* The instance "queue" is the default queue, "queue/NAME" another. */
static void
own_queue(const char *inst, struct dg_buf *out)
{
	const char *slash = strchr(inst, '/');

	if (slash)
		dg_poller_names_json(dg_str(slash + 1), out);
	else
		dg_buf_adds(out, "[null]");
}

static int
pops_setup(struct dg_worker *w, struct dg_err *e)
{
	struct pops *p = dg_new(struct pops);
	double interval = dg_settings_float(
		w->settings, "env.DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS");
	int r;

	w->data = p;
	p->w = w;
	TAILQ_INIT(&p->kept);
	dg_pace_init(&p->pace, (dg_usec)(interval * 1e6), dg_now());
	own_queue(w->inst, &p->queue);
	p->branches =
		dg_settings_bool(w->settings, "dagster_cloud_api.branch_deployments");
	for (unsigned i = 0; i < DG_N(p->slots); i++) {
		p->slots[i] = (struct slot){.p = p, .number = i, .fd = -1};
		p->slots[i].split = dg_popped_split_new(on_popped, &p->slots[i]);
	}
	r = dg_cloud_new(&p->cloud, w->event, w->settings, e);
	if (r == 0)
		r = dg_cloud_channel_new(&p->channel, p->cloud, DG_POPS_MAX, e);
	if (r < 0)
		return r;
	r = sd_event_add_time(w->event, &p->timer, CLOCK_MONOTONIC, DG_USEC_NEVER,
		DG_MSEC, on_timer, p);
	return r < 0 ? dg_fail(e, DG_TRANSPORT, -r, "cannot make a timer") : 0;
}

static void
pops_linked(struct dg_worker *w)
{
	struct pops *p = w->data;
	struct kept *k;

	p->sent = p->sent_bytes = p->credit = p->credit_bytes = 0;
	for (size_t i = 0; i < DG_N(p->slots); i++) {
		p->slots[i].told = false;
		if (p->slots[i].fd >= 0)
			tell_slot(p, &p->slots[i]);
	}
	TAILQ_FOREACH (k, &p->kept, entry)
		send_kept(p, k);
	dg_worker_send(w, DG_MSG_HAVE_END, 0, NULL);
}

static void
pops_message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct pops *p = w->data;

	switch (type) {
	case DG_MSG_RECORDED:
		on_recorded(p, id);
		break;
	case DG_MSG_CREDIT:
		p->credit = ((struct dg_msg_credit *)payload)->requests;
		p->credit_bytes = ((struct dg_msg_credit *)payload)->bytes;
		break;
	case DG_MSG_SCOPE:
		on_scope(p, payload);
		break;
	default:
		break;
	}
	dg_worker_say(w, "%llu requests popped, %u pops under way",
		(unsigned long long)p->popped, p->pace.target);
	pump(p);
}

static void
pops_quiesce(struct dg_worker *w)
{
	pump(w->data);
}

static void
pops_teardown(struct dg_worker *w)
{
	struct pops *p = w->data;

	dg_cloud_free(p->cloud);
	on_recorded(p, UINT64_MAX);
	for (size_t i = 0; i < DG_N(p->slots); i++) {
		dg_popped_split_free(p->slots[i].split);
		dg_buf_clear(&p->slots[i].body);
		dg_buf_clear(&p->slots[i].variables);
		dg_closep(&p->slots[i].fd);
	}
	sd_event_source_disable_unref(p->timer);
	dg_buf_clear(&p->queue);
	dg_buf_clear(&p->scope);
	free(p);
}

const struct dg_poller_ops dg_pops_ops = {
	pops_setup, pops_linked, pops_message, pops_quiesce, pops_teardown};
