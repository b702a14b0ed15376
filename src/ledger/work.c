/* ledger/work.c: what is done: dispatch, answers, intents and handles. See ledger.h. */
#include "ledger/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"

static struct dg_peer *
launcher(struct dg_ledger *l)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_LAUNCHER && dg_link_open(p->link))
			return p;
	return NULL;
}

/* What the backend's things are known by. */

static void
free_known(struct dg_known *k)
{
	free(k->key);
	free(k->deployment);
	free(k->location);
	dg_buf_clear(&k->handle);
	free(k);
}

void
dg_work_known(struct dg_ledger *l, const struct dg_row_handle *row)
{
	auto_free char *name = dg_xasprintf("%d:%.*s", row->what, DG_FMT(row->key));
	struct dg_known *k, *old;

	if (row->stage == DG_STAGE_GONE) {
		old = dg_map_del(&l->known, dg_str(name));
		if (old)
			free_known(old);
		return;
	}
	k = dg_new(struct dg_known);
	k->what = row->what;
	k->stage = row->stage;
	k->request = row->request;
	k->key = dg_str_dup(row->key);
	k->deployment = dg_str_dup(row->deployment);
	k->location = dg_str_dup(row->location);
	dg_buf_addstr(&k->handle, row->handle);
	old = dg_map_put(&l->known, dg_str(name), k);
	if (old)
		free_known(old);
}

static void
tell_known(struct dg_peer *p)
{
	DG_MAP_EACH(&p->ledger->known, s)
	{
		const struct dg_known *k = s->value;
		struct dg_msg_known m = {
			.what = k->what,
			.stage = k->stage,
			.request = k->request,
			.key = dg_str(k->key),
			.deployment = dg_str(k->deployment),
			.location = dg_str(k->location),
			.handle = DG_BODY_STR(dg_buf_str(&k->handle)),
		};

		dg_peer_send(p, DG_MSG_KNOWN, 0, &m);
	}
	dg_peer_send(p, DG_MSG_KNOWN_END, 0, NULL);
}

void
dg_work_desired(struct dg_ledger *l)
{
	struct dg_msg_desired m = {
		l->workspace_wall, DG_BODY_STR(dg_buf_str(&l->workspace))};
	struct dg_peer *p;

	if (!l->workspace.n)
		return;
	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_LAUNCHER)
			dg_peer_send(p, DG_MSG_DESIRED, 0, &m);
}

/* A fresh look at the same workspace: what waits for one may go on. */
void
dg_work_unchanged(struct dg_ledger *l, const struct dg_msg_unchanged *m)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_LAUNCHER)
			dg_peer_send(p, DG_MSG_UNCHANGED, 0, m);
}

/* Dispatch. */

void
dg_work_add(struct dg_ledger *l, struct dg_entry *en)
{
	dg_book_state(en, DG_ENTRY_WAITING);
	dg_lanes_add(
		&l->book.lanes, &en->lane, dg_str(en->deployment), dg_str(en->location));
}

static void
give(struct dg_peer *p, struct dg_entry *en)
{
	struct dg_msg_do m = {
		.kind = en->kind,
		.branch = en->branch,
		.expire = en->expire,
		.popped = en->popped,
		.attempt = en->attempt,
		.request_id = dg_str(en->request_id),
		.api = dg_str(en->api),
		.deployment = dg_str(en->deployment),
		.location = dg_str(en->location),
		.error = dg_str(en->error),
		.body = dg_blob_body(&en->body),
	};

	dg_book_state(en, DG_ENTRY_WORKING);
	p->ledger->book.dispatched++;
	dg_peer_send(p, DG_MSG_DO, en->id, &m);
}

/* What must not happen twice, and the store cannot say that it happened. */
static void
refuse(struct dg_entry *en)
{
	free(en->error);
	en->error = dg_xstrdup(
		"refused: daglet's state folder cannot be written, so that it could not "
		"be known whether this was done; see `dagletctl status`, make room or "
		"mend the disk, and ask again");
}

void
dg_work_pump(struct dg_ledger *l)
{
	struct dg_peer *p = launcher(l);
	struct dg_lane_item *it;

	while (p && p->have_end && !dg_link_full(p->link) &&
		(it = dg_lanes_next(&l->book.lanes))) {
		struct dg_entry *en = (struct dg_entry *)it;

		if (dg_entry_needs_sent(en) && !dg_may_launch(l->durability))
			refuse(en);
		if (dg_entry_needs_sent(en)) {
			dg_book_state(en, DG_ENTRY_SENDING);
			dg_ledger_wait(l, DG_WAIT_SENT, dg_store_sent(l->store, en->id),
				en->id, 0, 0);
		} else {
			give(p, en);
		}
	}
}

void
dg_work_linked(struct dg_peer *p)
{
	tell_known(p);
	dg_work_desired(p->ledger);
}

/* What the dead one had in work is dispatched again, in the order of popping. */
void
dg_work_unlinked(struct dg_peer *p)
{
	struct dg_ledger *l = p->ledger;
	struct dg_entry *en;

	TAILQ_FOREACH (en, &l->book.all, all)
		if (en->state == DG_ENTRY_WORKING || en->state == DG_ENTRY_SENDING) {
			en->attempt++;
			dg_lanes_done(&l->book.lanes, &en->lane);
			dg_work_add(l, en);
		}
	dg_out_forget_caller(l, p->epoch);
}

static void
on_have(struct dg_ledger *l, uint64_t id)
{
	struct dg_entry *en = dg_book_by_id(&l->book, id);

	if (!en || en->state != DG_ENTRY_WAITING)
		return;
	dg_lanes_done(&l->book.lanes, &en->lane);
	dg_book_state(en, DG_ENTRY_WORKING);
}

static void
on_answer(struct dg_peer *p, uint64_t id, struct dg_msg_answer *m)
{
	struct dg_ledger *l = p->ledger;
	struct dg_entry *en = dg_book_by_id(&l->book, id);

	if (!en || en->state >= DG_ENTRY_ANSWERING) {
		/* Known already, or forgotten after its delivery. While it is being
		 * committed the first one's acknowledgement is on its way. */
		if (!en || en->state > DG_ENTRY_ANSWERING)
			dg_peer_send(p, DG_MSG_ANSWERED, id, NULL);
		return;
	}
	dg_lanes_done(&l->book.lanes, &en->lane);
	dg_mirror_count(l, en, m->outcome);
	dg_body_take(&m->response, &en->answer);
	dg_book_state(en, DG_ENTRY_ANSWERING);
	if (!en->unstored)
		en->ticket = dg_store_answer(l->store, id, dg_blob_body(&en->answer));
	if (en->unstored || dg_may_serve_unstored(l->durability))
		dg_work_committed(l,
			&(struct dg_wait){
				.what = DG_WAIT_ANSWERED, .id = id, .epoch = p->epoch});
	else
		dg_ledger_wait(l, DG_WAIT_ANSWERED, en->ticket, id, p->epoch, 0);
}

static void
on_handle(struct dg_peer *p, uint64_t id, const struct dg_row_handle *row,
	enum dg_wait_what what)
{
	struct dg_ledger *l = p->ledger;

	uint64_t ticket = dg_store_handle(l->store, row);

	dg_work_known(l, row);
	/* A server's handle need not be on disk first: one that nobody knows of ends by
	 * itself. */
	if (what == DG_WAIT_SERVER && dg_may_serve_unstored(l->durability))
		dg_work_committed(
			l, &(struct dg_wait){.what = what, .id = id, .epoch = p->epoch});
	else
		dg_ledger_wait(l, what, ticket, id, p->epoch, 0);
}

void
dg_work_message(struct dg_peer *p, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_ledger *l = p->ledger;

	switch (type) {
	case DG_MSG_HAVE:
		on_have(l, id);
		break;
	case DG_MSG_ANSWER:
		on_answer(p, id, payload);
		break;
	case DG_MSG_INTENT: {
		const struct dg_msg_intent *m = payload;
		struct dg_row_handle row = {
			.what = DG_HANDLE_RUN,
			.stage = DG_STAGE_INTENT,
			.request = m->request,
			.wall = dg_wall_usec(),
			.key = m->run_id,
			.deployment = m->deployment,
			.nonce = m->nonce,
		};

		on_handle(p, id, &row, DG_WAIT_INTENT);
		break;
	}
	case DG_MSG_HANDLE: {
		const struct dg_msg_handle *m = payload;
		struct dg_row_handle row = {
			.what = (enum dg_handle_what)m->what,
			.stage = (enum dg_handle_stage)m->stage,
			.request = m->request,
			.wall = dg_wall_usec(),
			.key = m->key,
			.deployment = m->deployment,
			.location = m->location,
			.handle = dg_strn(m->handle.p, m->handle.n),
		};

		on_handle(p, id, &row,
			row.what == DG_HANDLE_SERVER ? DG_WAIT_SERVER : DG_WAIT_HANDLE);
		break;
	}
	case DG_MSG_CALL:
		dg_out_call(p, id, payload);
		break;
	case DG_MSG_TTL_DEPLOYMENTS: {
		const struct dg_msg_ttl_deployments *m = payload;
		struct dg_peer *q;

		dg_buf_reset(&l->ttl);
		dg_buf_add(&l->ttl, m->names.p, m->names.n);
		TAILQ_FOREACH (q, &l->peers, entry)
			if (q->role == DG_ROLE_POLLER)
				dg_peer_send(q, DG_MSG_TTL_DEPLOYMENTS, 0, m);
		break;
	}
	default:
		break;
	}
}

void
dg_work_committed(struct dg_ledger *l, const struct dg_wait *wt)
{
	struct dg_peer *p = wt->epoch ? dg_ledger_peer_by_epoch(l, wt->epoch) : NULL;
	struct dg_entry *en;

	switch (wt->what) {
	case DG_WAIT_SENT:
		en = dg_book_by_id(&l->book, wt->id);
		p = launcher(l);
		if (!en || en->state != DG_ENTRY_SENDING)
			break;
		if (p && p->have_end) {
			give(p, en);
		} else { /* nobody to give it to: back, as if never taken */
			dg_lanes_done(&l->book.lanes, &en->lane);
			dg_work_add(l, en);
		}
		break;
	case DG_WAIT_ANSWERED:
		dg_peer_send(p, DG_MSG_ANSWERED, wt->id, NULL);
		en = dg_book_by_id(&l->book, wt->id);
		if (en && en->state == DG_ENTRY_ANSWERING)
			dg_out_answered(l, en);
		break;
	case DG_WAIT_INTENT:
		dg_peer_send(p, DG_MSG_INTENT_OK, wt->id, NULL);
		break;
	case DG_WAIT_HANDLE:
	case DG_WAIT_SERVER:
		dg_peer_send(p, DG_MSG_HANDLE_OK, wt->id, NULL);
		break;
	default:
		break;
	}
}

void
dg_work_clear(struct dg_ledger *l)
{
	DG_MAP_EACH(&l->known, s)
	free_known(s->value);
	dg_map_clear(&l->known);
}
