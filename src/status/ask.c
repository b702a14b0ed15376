/* status/ask.c: see ask.h. */
#include "status/ask.h"

#include <stdlib.h>

#include "base/mem.h"

struct dg_ask {
	LIST_ENTRY(dg_ask) entry;
	uint64_t id;
	struct dg_exchange *x;
	const char *type;
	enum dg_ask_whom whom;
};

static void
drop(struct dg_ask *q)
{
	LIST_REMOVE(q, entry);
	free(q);
}

void
dg_ask(struct dg_asks *a, struct dg_worker *w, struct dg_exchange *x, const char *op,
	struct dg_str args, const char *type)
{
	struct dg_msg_command m = {.op = dg_str(op), .args = args};
	struct dg_ask *q;

	if (!w->ledger || !dg_link_open(w->ledger)) {
		dg_exchange_text(x, 503, "there is no link to the ledger");
		return;
	}
	q = dg_new(struct dg_ask);
	*q = (struct dg_ask){.id = ++a->last_id, .x = x, .type = type};
	LIST_INSERT_HEAD(&a->list, q, entry);
	dg_worker_send(w, DG_MSG_COMMAND, q->id, &m);
}

void
dg_ask_master(struct dg_asks *a, struct dg_worker *w, struct dg_exchange *x,
	const char *op, struct dg_str args)
{
	struct dg_msg_command m = {.op = dg_str(op), .args = args};
	struct dg_ask *q = dg_new(struct dg_ask);
	struct dg_err e;

	*q = (struct dg_ask){
		.id = ++a->last_id, .x = x, .type = DG_TEXT_TYPE, .whom = DG_ASK_MASTER};
	LIST_INSERT_HEAD(&a->list, q, entry);
	if (dg_link_send(w->control, DG_MSG_COMMAND, q->id, &m, &e) < 0) {
		drop(q);
		dg_exchange_text(x, 503, "the master cannot be asked: %s", e.what);
	}
}

void
dg_asks_result(struct dg_asks *a, uint64_t id, const struct dg_msg_result *m)
{
	auto_buf body = DG_BUF_INIT;
	struct dg_exchange *x;
	struct dg_ask *q;
	const char *type;

	LIST_FOREACH (q, &a->list, entry)
		if (q->id == id)
			break;
	if (!q)
		return;
	x = q->x;
	type = m->code == 200 ? q->type : DG_TEXT_TYPE;
	drop(q);
	dg_buf_add(&body, m->body.p, m->body.n);
	dg_exchange_reply(x, m->code >= 200 && m->code < 600 ? (unsigned)m->code : 502,
		type, &body);
}

void
dg_asks_gone(struct dg_asks *a, const struct dg_exchange *x)
{
	struct dg_ask *q;

	LIST_FOREACH (q, &a->list, entry)
		if (q->x == x) {
			drop(q);
			return;
		}
}

void
dg_asks_unlinked(struct dg_asks *a)
{
	struct dg_ask *q = LIST_FIRST(&a->list), *next;

	for (; q; q = next) {
		struct dg_exchange *x = q->x;

		next = LIST_NEXT(q, entry);
		if (q->whom != DG_ASK_LEDGER)
			continue;
		drop(q);
		dg_exchange_text(x, 503, "the ledger went away; ask again");
	}
}
