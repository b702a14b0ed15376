/* reporter/calls.c: calls on behalf of launchers, by the table of daglet/call.h.
 *
 * Ordered calls of one subject (the events and tags of a run) form a line: the next one
 * starts when the one before has ended, and a line that is stuck stops no other. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"
#include "cloud/documents.h"
#include "daglet/crash.h"
#include "daglet/limits.h"
#include "log/log.h"
#include "reporter/reporter.h"

#define CALLS_MAX 16
/* Calls that may be held; more are refused, and the launcher tries again. */
#define HELD_MAX 8192

struct line;

struct call {
	LIST_ENTRY(call) all;
	TAILQ_ENTRY(call) entry; /* of its line */
	struct dg_calls *c;
	struct line *line;
	uint64_t id; /* 0: nobody asks for its end any more */
	const struct dg_call_row *row;
	enum dg_call_op op;
	char *deployment, *args, *key;
	struct dg_blob body;
	struct dg_cloud_call *cloud;
};

struct line {
	char *key;
	TAILQ_HEAD(, call) calls; /* the first is under way */
};

struct dg_calls {
	struct dg_reporter *r;
	struct dg_cloud_channel *channel;
	LIST_HEAD(, call) all;
	struct dg_map lines;
	size_t n;
};

static void start(struct call *c);

static void
call_free(struct call *c)
{
	struct dg_calls *calls = c->c;
	struct line *l = c->line;

	LIST_REMOVE(c, all);
	calls->n--;
	if (l)
		TAILQ_REMOVE(&l->calls, c, entry);
	if (l && TAILQ_EMPTY(&l->calls)) {
		dg_map_del(&calls->lines, dg_str(l->key));
		free(l->key);
		free(l);
	}
	free(c->deployment);
	free(c->args);
	free(c->key);
	dg_blob_clear(&c->body);
	free(c);
}

static void
answer(struct dg_calls *calls, uint64_t id, int cls, int http, const char *text,
	struct dg_str body)
{
	struct dg_msg_call_done m = {.cls = (uint64_t)cls,
		.http = (uint64_t)http,
		.text = dg_strn(text, strnlen(text, DG_MSG_STRING_MAX / 2)),
		.body = DG_BODY_STR(body)};

	if (!body.p)
		m.body = DG_BODY_NONE;
	if (id)
		dg_worker_send(calls->r->worker, DG_MSG_CALL_DONE, id, &m);
}

static void
on_done(struct dg_cloud_result *r, void *arg)
{
	struct call *c = arg, *next = NULL;
	struct dg_calls *calls = c->c;

	(void)DG_CRASH_AFTER(CALL);
	calls->r->called++;
	if (r->cls)
		dg_logkv(LOG_WARNING, DG_KV({"dep", c->deployment}), "%s: %s",
			c->row->name, r->text);
	else
		dg_worker_success(calls->r->worker);
	answer(calls, c->id, r->cls, r->http, r->text, dg_buf_str(&r->body));
	if (c->line)
		next = TAILQ_NEXT(c, entry);
	call_free(c);
	if (next)
		start(next);
	dg_reporter_done(calls->r);
}

static void
start(struct call *c)
{
	static const enum dg_retry_policy policies[] = {
		[DG_CALL_GRAPHQL] = DG_RETRY_GRAPHQL,
		[DG_CALL_GET] = DG_RETRY_REST,
		[DG_CALL_JSON] = DG_RETRY_REST,
		[DG_CALL_MULTIPART] = DG_RETRY_REST,
		[DG_CALL_PUT] = DG_RETRY_PRESIGNED,
	};
	const struct dg_call_row *row = c->row;
	struct dg_cloud_spec s = {.how = row->how,
		.scope = c->op == DG_CALL_OP_AGENTS ? DG_SCOPE_ORGANIZATION
						    : DG_SCOPE_DEPLOYMENT,
		.deployment =
			c->op == DG_CALL_OP_AGENTS ? DG_STR_NULL : dg_str(c->deployment),
		.document = dg_call_document(c->op),
		.path = row->how == DG_CALL_PUT ? c->args : row->target,
		.query = row->how == DG_CALL_GET ? dg_str(c->args) : DG_STR_NULL,
		.file = row->file,
		.key = row->again == DG_AGAIN_KEY ? c->key : NULL,
		.policy = policies[row->how],
		.idempotent = row->again != DG_AGAIN_NO,
		.patience = row->patience * DG_SEC,
		.done = on_done,
		.arg = c};

	if (row->how != DG_CALL_GET) {
		s.body[0] = dg_blob_str(&c->body);
		s.body_n = 1;
	}
	(void)DG_CRASH_BEFORE(CALL);
	c->cloud = dg_cloud_start(c->c->channel, &s);
}

/* Put C at the end of its line; true when it is the first. */
static bool
line_up(struct call *c, struct dg_str subject)
{
	struct dg_calls *calls = c->c;
	auto_buf key = DG_BUF_INIT;
	struct line *l;

	dg_buf_addf(&key, "%s\n%.*s", c->deployment, DG_FMT(subject));
	l = dg_map_get(&calls->lines, dg_buf_str(&key));
	if (!l) {
		l = dg_new(struct line);
		TAILQ_INIT(&l->calls);
		l->key = dg_buf_take(&key);
		dg_map_put(&calls->lines, dg_str(l->key), l);
	}
	c->line = l;
	TAILQ_INSERT_TAIL(&l->calls, c, entry);
	return TAILQ_FIRST(&l->calls) == c;
}

void
dg_calls_take(struct dg_calls *calls, uint64_t id, struct dg_msg_call *m)
{
	const struct dg_call_row *row = dg_call_row((unsigned)m->op);
	struct call *c;

	if (!row || (row->again == DG_AGAIN_KEY && !m->key.n)) {
		answer(calls, id, DG_BUG, 0,
			row ? "the call needs a key" : "no such call", DG_STR_NULL);
		return;
	}
	if (calls->n >= HELD_MAX) {
		answer(calls, id, DG_LIMIT, 0, "too many calls wait", DG_STR_NULL);
		return;
	}
	c = dg_new(struct call);
	c->c = calls;
	c->id = id;
	c->row = row;
	c->op = (enum dg_call_op)m->op;
	c->deployment = dg_str_dup(m->deployment);
	c->args = dg_str_dup(m->args);
	c->key = dg_str_dup(m->key);
	dg_body_take(&m->body, &c->body);
	LIST_INSERT_HEAD(&calls->all, c, all);
	calls->n++;
	if (!row->ordered || !m->subject.n || line_up(c, m->subject))
		start(c);
}

/* Events and tags go on: they will be given again under the same key, or the one who
 * gave them is dead. Questions will be asked again. */
void
dg_calls_linked(struct dg_calls *calls)
{
	struct call *c, *next;

	for (c = LIST_FIRST(&calls->all); c; c = next) {
		next = LIST_NEXT(c, all);
		c->id = 0;
		if (c->row->ordered)
			continue;
		dg_cloud_cancel(c->cloud);
		call_free(c);
	}
}

size_t
dg_calls_open(const struct dg_calls *c)
{
	return c->n;
}

int
dg_calls_new(struct dg_reporter *r, struct dg_err *e)
{
	struct dg_calls *c = dg_new(struct dg_calls);

	r->calls = c;
	c->r = r;
	c->lines = DG_MAP_INIT;
	return dg_cloud_channel_new(&c->channel, r->cloud, CALLS_MAX, e);
}

int
dg_calls_apply(struct dg_calls *calls, struct dg_err *e)
{
	struct call *c;
	int r = dg_cloud_channel_new(&calls->channel, calls->r->cloud, CALLS_MAX, e);

	if (r < 0)
		return r;
	LIST_FOREACH (c, &calls->all, all)
		if (c->cloud)
			start(c);
	return 0;
}

/* After the cloud: no call is under way any more. */
void
dg_calls_free(struct dg_calls *c)
{
	if (!c)
		return;
	while (!LIST_EMPTY(&c->all))
		call_free(LIST_FIRST(&c->all));
	dg_map_clear(&c->lines);
	free(c);
}
