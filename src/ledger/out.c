/* ledger/out.c: what must be told: answers, and calls on behalf of a launcher. */
#include "ledger/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"

static struct dg_peer *
reporter(struct dg_ledger *l)
{
	struct dg_peer *p = dg_ledger_peer(l, DG_ROLE_REPORTER, "");

	return p && p->have_end && dg_link_open(p->link) ? p : NULL;
}

/* Answers. */

void
dg_out_answered(struct dg_ledger *l, struct dg_entry *en)
{
	dg_book_answered(&l->book, en);
}

static void
deliver(struct dg_peer *p, struct dg_entry *en)
{
	struct dg_msg_deliver m = {
		.expire = en->expire,
		.request_id = dg_str(en->request_id),
		.api = dg_str(en->api),
		.deployment = dg_str(en->deployment),
		.response = dg_blob_body(&en->answer),
	};

	TAILQ_REMOVE(&p->ledger->book.out, en, out);
	en->in_out = false;
	dg_book_state(en, DG_ENTRY_DELIVERING);
	dg_peer_send(p, DG_MSG_DELIVER, en->id, &m);
}

static void
send_call(struct dg_peer *p, struct dg_call *c)
{
	struct dg_msg_call m = {
		.op = c->op,
		.deployment = dg_str(c->deployment),
		.subject = dg_str(c->subject),
		.args = dg_str(c->args),
		.key = dg_str(c->key),
		.body = dg_blob_body(&c->body),
	};

	c->sent = true;
	dg_peer_send(p, DG_MSG_CALL, c->id, &m);
}

void
dg_out_pump(struct dg_ledger *l)
{
	struct dg_peer *p = reporter(l);
	struct dg_entry *en;
	struct dg_call *c;

	if (!p)
		return;
	TAILQ_FOREACH (c, &l->calls, entry)
		if (!c->sent && !dg_link_full(p->link))
			send_call(p, c);
	while (!dg_link_full(p->link) && (en = TAILQ_FIRST(&l->book.out)))
		deliver(p, en);
}

void
dg_out_linked(struct dg_peer *p)
{
	struct dg_ledger *l = p->ledger;

	for (size_t i = 0; i < DG_TROUBLES; i++)
		if (l->troubles[i].id)
			dg_peer_send(p, DG_MSG_TROUBLE, l->troubles[i].id,
				&(struct dg_msg_trouble){l->troubles[i].wall,
					DG_BODY_STR(dg_buf_str(&l->troubles[i].error))});
}

/* The reporter is gone, or has a new link: what it had is given again, but for what it
 * says that it still has. */
void
dg_out_unlinked(struct dg_peer *p)
{
	struct dg_ledger *l = p->ledger;
	struct dg_entry *en;
	struct dg_call *c;

	TAILQ_FOREACH (en, &l->book.all, all)
		if (en->state == DG_ENTRY_DELIVERING) {
			dg_book_state(en, DG_ENTRY_ANSWERED);
			TAILQ_INSERT_TAIL(&l->book.out, en, out);
			en->in_out = true;
		}
	TAILQ_FOREACH (c, &l->calls, entry)
		c->sent = false;
}

static void
on_have(struct dg_ledger *l, uint64_t id)
{
	struct dg_entry *en = dg_book_by_id(&l->book, id);

	if (!en || en->state != DG_ENTRY_ANSWERED)
		return;
	TAILQ_REMOVE(&l->book.out, en, out);
	en->in_out = false;
	dg_book_state(en, DG_ENTRY_DELIVERING);
}

static void
forget(struct dg_ledger *l, struct dg_entry *en)
{
	if (en->unstored)
		; /* the store never knew of it */
	else if (dg_entry_is_launch(en)) {
		struct dg_str id = dg_str(en->request_id),
			      answer = dg_blob_str(&en->answer);

		dg_store_bury(l->store, en->id, id, answer);
		dg_book_bury(&l->book, id, answer, dg_wall_usec());
	} else {
		dg_store_forget(l->store, en->id);
	}
	dg_book_drop(&l->book, en);
}

static void
on_refused(struct dg_ledger *l, struct dg_entry *en, const struct dg_msg_refused *m)
{
	char http[16];
	auto_free char *text = dg_str_dup(m->text);

	snprintf(http, sizeof http, "%u", (unsigned)m->http);
	dg_logkv(LOG_ERR,
		DG_KV({"req", en->request_id}, {"kind", en->api}, {"dep", en->deployment},
			{"http", http}),
		"the control plane does not take the answer: %s", text);
	l->book.refused++;
	forget(l, en);
}

/* Calls. */

static void
free_call(struct dg_ledger *l, struct dg_call *c)
{
	TAILQ_REMOVE(&l->calls, c, entry);
	free(c->deployment);
	free(c->subject);
	free(c->args);
	free(c->key);
	dg_blob_clear(&c->body);
	free(c);
}

void
dg_out_call(struct dg_peer *from, uint64_t id, struct dg_msg_call *m)
{
	struct dg_ledger *l = from->ledger;
	struct dg_call *c;

	TAILQ_FOREACH (c, &l->calls, entry)
		if (c->from_epoch == from->epoch && c->from_id == id)
			return; /* said twice */
	c = dg_new(struct dg_call);
	c->id = ++l->next_call;
	c->from_id = id;
	c->from_epoch = from->epoch;
	c->op = m->op;
	c->deployment = dg_str_dup(m->deployment);
	c->subject = dg_str_dup(m->subject);
	c->args = dg_str_dup(m->args);
	c->key = dg_str_dup(m->key);
	dg_body_take(&m->body, &c->body);
	TAILQ_INSERT_TAIL(&l->calls, c, entry);
}

/* The launcher died: what it asked for is still told (events, tags), what it asked about
 * interests nobody, and is answered to nobody. */
void
dg_out_forget_caller(struct dg_ledger *l, uint32_t epoch)
{
	struct dg_call *c;

	TAILQ_FOREACH (c, &l->calls, entry)
		if (c->from_epoch == epoch)
			c->from_epoch = 0;
}

static void
on_call_done(struct dg_ledger *l, uint64_t id, const struct dg_msg_call_done *m)
{
	struct dg_call *c;
	struct dg_peer *p;

	TAILQ_FOREACH (c, &l->calls, entry)
		if (c->id == id)
			break;
	if (!c)
		return;
	p = c->from_epoch ? dg_ledger_peer_by_epoch(l, c->from_epoch) : NULL;
	dg_peer_send(p, DG_MSG_CALL_DONE, c->from_id, m);
	free_call(l, c);
}

void
dg_out_message(struct dg_peer *p, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_ledger *l = p->ledger;
	struct dg_entry *en;

	switch (type) {
	case DG_MSG_HAVE:
		on_have(l, id);
		break;
	case DG_MSG_DELIVERED:
		en = dg_book_by_id(&l->book, id);
		if (en && en->state >= DG_ENTRY_ANSWERED) {
			l->book.delivered++;
			forget(l, en);
		}
		break;
	case DG_MSG_REFUSED:
		en = dg_book_by_id(&l->book, id);
		if (en && en->state >= DG_ENTRY_ANSWERED)
			on_refused(l, en, payload);
		break;
	case DG_MSG_CALL_DONE:
		on_call_done(l, id, payload);
		break;
	default:
		break;
	}
}

void
dg_out_clear(struct dg_ledger *l)
{
	struct dg_call *c;

	while ((c = TAILQ_FIRST(&l->calls)))
		free_call(l, c);
}
