/* ledger/mirror.c: what is shown to reporter and status: states, troubles, commands. */
#include "ledger/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

#define REQUESTS_SHOWN 1000

static void
tell(struct dg_ledger *l, const struct dg_msg_state *m)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_STATUS || p->role == DG_ROLE_REPORTER)
			dg_peer_send(p, DG_MSG_STATE, 0, m);
}

static void
free_row(struct dg_state_row *row)
{
	free(row->key);
	dg_buf_clear(&row->body);
	free(row);
}

static void
set_state(struct dg_ledger *l, enum dg_role from, uint32_t epoch,
	const struct dg_msg_state *m)
{
	auto_free char *name = dg_xasprintf("%u:%.*s", (unsigned)m->kind, DG_FMT(m->key));
	struct dg_state_row *row, *old;

	if (m->kind >= DG_STATE_COUNT)
		return;
	if (m->gone) {
		old = dg_map_del(&l->states, dg_str(name));
		if (old)
			free_row(old);
	} else {
		row = dg_new(struct dg_state_row);
		row->kind = (enum dg_state_kind)m->kind;
		row->from = from;
		row->epoch = epoch;
		row->key = dg_str_dup(m->key);
		dg_buf_add(&row->body, m->body.p, m->body.n);
		old = dg_map_put(&l->states, dg_str(name), row);
		if (old)
			free_row(old);
	}
	tell(l, m);
}

void
dg_mirror_state(struct dg_peer *from, const struct dg_msg_state *m)
{
	set_state(from->ledger, from->role, from->epoch, m);
}

void
dg_mirror_linked(struct dg_peer *p)
{
	DG_MAP_EACH(&p->ledger->states, s)
	{
		const struct dg_state_row *row = s->value;
		struct dg_msg_state m = {row->kind, 0, dg_str(row->key),
			DG_BODY_STR(dg_buf_str(&row->body))};

		dg_peer_send(p, DG_MSG_STATE, 0, &m);
	}
}

/* A launcher that came back has said all that it knows: what it did not say again is
 * gone. */
void
dg_mirror_sweep(struct dg_ledger *l)
{
	struct dg_peer *p = NULL, *q;

	TAILQ_FOREACH (q, &l->peers, entry)
		if (q->role == DG_ROLE_LAUNCHER)
			p = q;
	if (!p || !p->have_end)
		return;
	DG_MAP_EACH(&l->states, s)
	{
		struct dg_state_row *row = s->value;
		auto_free char *key = NULL;
		struct dg_msg_state m = {
			.kind = row->kind, .gone = 1, .body = DG_BODY_NONE};

		if (row->from != DG_ROLE_LAUNCHER || row->epoch == p->epoch)
			continue;
		key = dg_xstrdup(row->key);
		m.key = dg_str(key);
		set_state(l, DG_ROLE_LAUNCHER, p->epoch, &m);
	}
}

void
dg_mirror_trouble(struct dg_ledger *l, uint64_t wall, struct dg_str error)
{
	uint64_t id = ++l->next_trouble;
	size_t at = id % DG_TROUBLES;

	l->troubles[at].id = id;
	l->troubles[at].wall = wall;
	dg_buf_reset(&l->troubles[at].error);
	dg_buf_addstr(&l->troubles[at].error, error);
	dg_peer_send(dg_ledger_peer(l, DG_ROLE_REPORTER, ""), DG_MSG_TROUBLE, id,
		&(struct dg_msg_trouble){wall, DG_BODY_STR(error)});
}

/* Commands. */

static void
list_requests(struct dg_ledger *l, struct dg_str args, struct dg_buf *out)
{
	const struct dg_entry *en;
	int64_t limit = REQUESTS_SHOWN, n = 0;
	struct dg_jw w = dg_jw(out);

	(void)dg_json_member_int(args, "limit", &limit);
	dg_jw_open_object(&w);
	dg_jw_kint(&w, "count", (int64_t)l->book.count);
	dg_jw_key(&w, "requests");
	dg_jw_open_array(&w);
	TAILQ_FOREACH (en, &l->book.all, all) {
		if (n++ >= limit)
			break;
		dg_jw_open_object(&w);
		dg_jw_kint(&w, "id", (int64_t)en->id);
		dg_jw_kstr(&w, "request_id", en->request_id);
		dg_jw_kstr(&w, "kind", en->api);
		dg_jw_kstr(&w, "deployment", en->deployment);
		dg_jw_kstr(&w, "location", en->location[0] ? en->location : NULL);
		dg_jw_kstr(&w, "state", dg_entry_state_name(en->state));
		dg_jw_kdouble(&w, "popped", (double)en->popped / 1e6);
		dg_jw_kint(&w, "attempt", (int64_t)en->attempt);
		dg_jw_close_object(&w);
	}
	dg_jw_close_array(&w);
	dg_jw_close_object(&w);
}

static void
reply(struct dg_peer *to, uint64_t id, uint64_t code, struct dg_str body)
{
	dg_peer_send(
		to, DG_MSG_RESULT, id, &(struct dg_msg_result){code, DG_BODY_STR(body)});
}

void
dg_mirror_command(struct dg_peer *from, uint64_t id, const struct dg_msg_command *m)
{
	struct dg_ledger *l = from->ledger;
	struct dg_peer *p, *launcher = NULL;
	auto_buf out = DG_BUF_INIT;
	struct dg_ask *ask;

	if (dg_str_is(m->op, "requests")) {
		list_requests(l, m->args, &out);
		reply(from, id, 200, dg_buf_str(&out));
		return;
	}
	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_LAUNCHER && dg_link_open(p->link))
			launcher = p;
	if (!launcher) {
		reply(from, id, 503, DG_STR("no launcher is up"));
		return;
	}
	ask = dg_new(struct dg_ask);
	ask->id = ++l->next_ask;
	ask->from_id = id;
	TAILQ_INSERT_TAIL(&l->asks, ask, entry);
	dg_peer_send(launcher, DG_MSG_COMMAND, ask->id, m);
}

void
dg_mirror_result(struct dg_ledger *l, uint64_t id, const struct dg_msg_result *m)
{
	struct dg_ask *ask;

	TAILQ_FOREACH (ask, &l->asks, entry)
		if (ask->id == id)
			break;
	if (!ask)
		return;
	dg_peer_send(
		dg_ledger_peer(l, DG_ROLE_STATUS, ""), DG_MSG_RESULT, ask->from_id, m);
	TAILQ_REMOVE(&l->asks, ask, entry);
	free(ask);
}

void
dg_mirror_no_launcher(struct dg_ledger *l)
{
	struct dg_ask *ask;

	while ((ask = TAILQ_FIRST(&l->asks))) {
		reply(dg_ledger_peer(l, DG_ROLE_STATUS, ""), ask->from_id, 503,
			DG_STR("the launcher ended while it was asked"));
		TAILQ_REMOVE(&l->asks, ask, entry);
		free(ask);
	}
}

/* Latencies, popped to answered, by kind. */

static const double bounds[DG_BUCKETS] = {
	0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};

void
dg_mirror_count(struct dg_ledger *l, const struct dg_entry *en, struct dg_str outcome)
{
	struct dg_kind_count *k =
		&l->kinds[en->kind < DG_REQ_COUNT ? en->kind : DG_REQ_COUNT];
	int64_t age = dg_wall_usec() - (int64_t)en->popped;
	double seconds = age > 0 ? (double)age / 1e6 : 0;

	k->sum += seconds;
	k->count++;
	for (size_t i = 0; i < DG_BUCKETS; i++)
		k->buckets[i] += seconds <= bounds[i];
	for (size_t i = 0; i < DG_OUTCOMES; i++) {
		if (!k->outcomes[i].name[0])
			snprintf(k->outcomes[i].name, sizeof k->outcomes[i].name, "%.*s",
				DG_FMT(outcome));
		if (dg_str_is(outcome, k->outcomes[i].name)) {
			k->outcomes[i].count++;
			break;
		}
	}
}

static void
add_kinds(const struct dg_ledger *l, struct dg_jw *w)
{
	dg_jw_key(w, "kinds");
	dg_jw_open_object(w);
	for (size_t i = 0; i <= DG_REQ_COUNT; i++) {
		const struct dg_kind_count *k = &l->kinds[i];
		const struct dg_request_row *row =
			dg_request_row((enum dg_request_kind)i);
		char bound[32];

		if (!k->count)
			continue;
		dg_jw_key(w, row ? row->name : "UNKNOWN");
		dg_jw_open_object(w);
		dg_jw_key(w, "outcomes");
		dg_jw_open_object(w);
		for (size_t o = 0; o < DG_OUTCOMES && k->outcomes[o].name[0]; o++)
			dg_jw_kint(w, k->outcomes[o].name, (int64_t)k->outcomes[o].count);
		dg_jw_close_object(w);
		dg_jw_kdouble(w, "sum", k->sum);
		dg_jw_key(w, "buckets");
		dg_jw_open_object(w);
		for (size_t b = 0; b < DG_BUCKETS; b++) {
			snprintf(bound, sizeof bound, "%g", bounds[b]);
			dg_jw_kint(w, bound, (int64_t)k->buckets[b]);
		}
		dg_jw_kint(w, "+Inf", (int64_t)k->count);
		dg_jw_close_object(w);
		dg_jw_close_object(w);
	}
	dg_jw_close_object(w);
}

/* The ledger's own row; its keys are in daglet/state.h. */
void
dg_mirror_own(struct dg_ledger *l)
{
	const struct dg_book *b = &l->book;
	const struct dg_entry *oldest = TAILQ_FIRST(&b->all);
	struct dg_store_health h;
	auto_buf out = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&out);
	struct dg_msg_state m = {.kind = DG_STATE_ROLE, .key = DG_STR("ledger:")};

	dg_store_health(l->store, &h);
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "agent_id", l->agent_id);
	dg_jw_key(&w, "requests");
	dg_jw_open_object(&w);
	dg_jw_kint(&w, "recorded", (int64_t)b->recorded);
	dg_jw_kint(&w, "repeated", (int64_t)b->repeated);
	dg_jw_kint(&w, "dispatched", (int64_t)b->dispatched);
	dg_jw_kint(&w, "answered", (int64_t)b->answered);
	dg_jw_kint(&w, "delivered", (int64_t)b->delivered);
	dg_jw_kint(&w, "refused", (int64_t)b->refused);
	dg_jw_kint(&w, "pending", (int64_t)b->count);
	dg_jw_kint(&w, "waiting", (int64_t)b->lanes.waiting);
	dg_jw_kint(
		&w, "oldest_usec", oldest ? dg_wall_usec() - (int64_t)oldest->popped : 0);
	dg_jw_close_object(&w);
	dg_jw_key(&w, "store");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "durability", dg_durability_name(dg_durability(&h)));
	dg_jw_kint(&w, "writer_age", (int64_t)h.batch_age);
	dg_jw_kint(&w, "queued", (int64_t)h.queued);
	dg_jw_kint(&w, "batches", (int64_t)h.batches);
	dg_jw_kint(&w, "writes", (int64_t)h.writes);
	dg_jw_kstr(&w, "error", h.broken ? h.error : NULL);
	dg_jw_kstr(&w, "damaged", h.damaged[0] ? h.damaged : NULL);
	dg_jw_close_object(&w);
	add_kinds(l, &w);
	dg_jw_close_object(&w);
	m.body = DG_BODY_STR(dg_buf_str(&out));
	set_state(l, DG_ROLE_LEDGER, 0, &m);
}

void
dg_mirror_clear(struct dg_ledger *l)
{
	struct dg_ask *ask;

	while ((ask = TAILQ_FIRST(&l->asks))) {
		TAILQ_REMOVE(&l->asks, ask, entry);
		free(ask);
	}
	DG_MAP_EACH(&l->states, s)
	free_row(s->value);
	dg_map_clear(&l->states);
	for (size_t i = 0; i < DG_TROUBLES; i++)
		dg_buf_clear(&l->troubles[i].error);
}
