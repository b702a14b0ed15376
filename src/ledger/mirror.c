/* ledger/mirror.c: what is shown to reporter and status: states, troubles, commands. */
#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/write.h"

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
add_text(struct dg_buf *b, const char *key, const char *value)
{
	dg_buf_addf(b, ", \"%s\": ", key);
	dg_json_add_str(b, dg_str(value));
}

static void
list_requests(struct dg_ledger *l, struct dg_buf *out)
{
	const struct dg_entry *en;
	dg_usec now = dg_now();
	size_t n = 0;

	dg_buf_addf(out, "{\"total\": %zu, \"requests\": [", l->book.count);
	TAILQ_FOREACH (en, &l->book.all, all) {
		if (n == 1000)
			break;
		dg_buf_addf(out, "%s{\"id\": %" PRIu64, n++ ? ", " : "", en->id);
		add_text(out, "request_id", en->request_id);
		add_text(out, "kind", en->api);
		add_text(out, "deployment", en->deployment);
		add_text(out, "location", en->location);
		add_text(out, "state", dg_entry_state_name(en->state));
		dg_buf_addf(out,
			", \"popped_usec\": %" PRIu64 ", \"expire_usec\": %" PRIu64
			", \"state_age_usec\": %" PRIu64 ", \"attempt\": %" PRIu64 "}",
			en->popped, en->expire, now - en->since, en->attempt);
	}
	dg_buf_adds(out, "]}");
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
		list_requests(l, &out);
		reply(from, id, 200, dg_buf_str(&out));
		return;
	}
	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_LAUNCHER && dg_link_open(p->link))
			launcher = p;
	if (!launcher) {
		reply(from, id, 503, DG_STR("{\"error\": \"no launcher is up\"}"));
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
			DG_STR("{\"error\": \"the launcher ended while it was asked\"}"));
		TAILQ_REMOVE(&l->asks, ask, entry);
		free(ask);
	}
}

/* The ledger's own row. */
void
dg_mirror_own(struct dg_ledger *l)
{
	const struct dg_book *b = &l->book;
	const struct dg_entry *oldest = TAILQ_FIRST(&b->all);
	struct dg_store_health h;
	auto_buf out = DG_BUF_INIT;
	struct dg_msg_state m = {.kind = DG_STATE_ROLE, .key = DG_STR("ledger:")};
	dg_usec now = dg_now();

	dg_store_health(l->store, &h);
	dg_buf_addf(&out,
		"{\"requests\": {\"recorded\": %" PRIu64 ", \"repeated\": %" PRIu64
		", \"dispatched\": %" PRIu64 ", \"answered\": %" PRIu64
		", \"delivered\": %" PRIu64 ", \"refused\": %" PRIu64
		", \"pending\": %zu, \"waiting\": %zu, \"oldest_usec\": "
		"%" PRIu64
		"}, \"store\": {\"durability\": \"%s\", \"writer_age_usec\": %" PRIu64
		", \"queued\": %" PRIu64 ", \"batches\": %" PRIu64
		", \"writes\": %" PRIu64 ", \"error\": ",
		b->recorded, b->repeated, b->dispatched, b->answered, b->delivered,
		b->refused, b->count, b->lanes.waiting, oldest ? now - oldest->since : 0,
		!h.durable ? "none"
		: h.broken ? "broken"
			   : "full",
		h.batch_age, h.queued, h.batches, h.writes);
	if (h.broken)
		dg_json_add_str(&out, dg_str(h.error));
	else
		dg_buf_adds(&out, "null");
	dg_buf_adds(&out, "}, \"agent_id\": ");
	dg_json_add_str(&out, dg_str(l->agent_id));
	dg_buf_addc(&out, '}');
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
