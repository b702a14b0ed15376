/* ledger/intake.c: what comes in: pops, the workspace. See ledger.h. */
#include "ledger/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "dagster/popped.h"
#include "log/log.h"

/* Credit is told anew when this much of it has come back, or when it was used up. */
#define CREDIT_STEP 64

void
dg_intake_credit(struct dg_ledger *l)
{
	bool pop = dg_may_pop(l->durability);
	size_t room = pop ? dg_book_room(&l->book) : 0;
	size_t bytes = pop ? dg_book_room_bytes(&l->book) : 0;
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry) {
		struct dg_msg_credit m = {p->taken + room, p->taken_bytes + bytes};

		if (p->role != DG_ROLE_POLLER)
			continue;
		if (pop && room && bytes && m.requests < p->credit + CREDIT_STEP &&
			p->credit > p->taken &&
			m.bytes < p->credit_bytes + DG_PENDING_BYTES / 4 &&
			p->credit_bytes > p->taken_bytes)
			continue;
		if (m.requests == p->credit && m.bytes == p->credit_bytes)
			continue;
		p->credit = m.requests;
		p->credit_bytes = m.bytes;
		dg_peer_send(p, DG_MSG_CREDIT, 0, &m);
	}
}

void
dg_intake_linked(struct dg_peer *p)
{
	struct dg_ledger *l = p->ledger;

	if (l->scope.n)
		dg_peer_send(p, DG_MSG_SCOPE, 0,
			&(struct dg_msg_scope){DG_BODY_STR(dg_buf_str(&l->scope))});
	if (l->ttl.n)
		dg_peer_send(p, DG_MSG_TTL_DEPLOYMENTS, 0,
			&(struct dg_msg_ttl_deployments){
				DG_BODY_STR(dg_buf_str(&l->ttl))});
	dg_intake_credit(l);
}

/* P is NULL for what was rescued: then nobody waits for the acknowledgement. */
static void
on_request(struct dg_ledger *l, struct dg_peer *p, uint64_t seq, struct dg_msg_request *m)
{
	struct dg_entry *en = dg_book_by_request(&l->book, m->request_id);
	const struct dg_tombstone *t = dg_book_tombstone(&l->book, m->request_id);
	uint32_t epoch = p ? p->epoch : 0;
	struct dg_row_request row;

	if (p) {
		p->taken++;
		p->taken_bytes += m->body.n;
	}
	if (en) { /* already ours: the poller's second try, or the control plane's */
		l->book.repeated++;
		if (dg_may_serve_unstored(l->durability))
			dg_intake_recorded(l, &(struct dg_wait){.what = DG_WAIT_REPEATED,
						      .epoch = epoch,
						      .seq = seq});
		else
			dg_ledger_wait(
				l, DG_WAIT_REPEATED, en->ticket, en->id, epoch, seq);
		return;
	}
	en = dg_book_add(&l->book, 0, m, &m->body);
	row = (struct dg_row_request){
		.id = en->id,
		.stage = DG_REQ_RECORDED,
		.kind = en->kind,
		.branch = en->branch,
		.expire = en->expire,
		.popped = en->popped,
		.request_id = dg_str(en->request_id),
		.api = dg_str(en->api),
		.deployment = dg_str(en->deployment),
		.location = dg_str(en->location),
		.error = dg_str(en->error),
		.body = dg_blob_body(&en->body),
	};
	if (dg_may_serve_unstored(l->durability)) {
		en->unstored = true;
		if (t)
			(void)dg_blob_from(&en->answer, dg_buf_str(&t->answer), NULL);
		dg_intake_recorded(l, &(struct dg_wait){.what = DG_WAIT_RECORDED,
					      .id = en->id,
					      .epoch = epoch,
					      .seq = seq});
		return;
	}
	en->ticket = dg_store_record(l->store, &row);
	if (t) {
		l->book.repeated++;
		(void)dg_blob_from(&en->answer, dg_buf_str(&t->answer), NULL);
		en->ticket = dg_store_answer(l->store, en->id, dg_blob_body(&en->answer));
	}
	dg_ledger_wait(l, DG_WAIT_RECORDED, en->ticket, en->id, epoch, seq);
}

void
dg_intake_recorded(struct dg_ledger *l, const struct dg_wait *wt)
{
	struct dg_peer *p = wt->epoch ? dg_ledger_peer_by_epoch(l, wt->epoch) : NULL;
	struct dg_entry *en;

	if (p && wt->seq > p->recorded) { /* told once per batch */
		p->recorded = wt->seq;
		p->to_tell = true;
	}
	if (wt->what == DG_WAIT_REPEATED)
		return;
	en = dg_book_by_id(&l->book, wt->id);
	if (!en || en->state != DG_ENTRY_RECORDING)
		return;
	l->book.recorded++;
	if (en->answer.p)
		dg_out_answered(l, en);
	else
		dg_work_add(l, en);
}

static void
on_workspace(struct dg_ledger *l, const struct dg_msg_workspace *m)
{
	char wall[24];

	dg_buf_reset(&l->workspace);
	dg_buf_add(&l->workspace, m->body.p, m->body.n);
	l->workspace_wall = m->wall;
	snprintf(wall, sizeof wall, "%llu", (unsigned long long)m->wall);
	dg_store_meta(l->store, "workspace_wall", dg_str(wall));
	dg_store_meta(l->store, "workspace", dg_buf_str(&l->workspace));
	dg_work_desired(l);
}

static void
on_scope(struct dg_ledger *l, const struct dg_msg_scope *m)
{
	struct dg_peer *p;

	dg_buf_reset(&l->scope);
	dg_buf_add(&l->scope, m->names.p, m->names.n);
	dg_store_meta(l->store, "scope", dg_buf_str(&l->scope));
	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_POLLER)
			dg_peer_send(p, DG_MSG_SCOPE, 0, m);
}

/* Remember which requests of the pop in a slot came by message. */
static void
told(struct dg_peer *p, const struct dg_msg_request *m)
{
	struct dg_pop_slot *s;

	if (m->slot >= DG_POP_SLOTS)
		return;
	s = &p->slots[m->slot];
	if (s->ended)
		dg_map_clear(&s->told);
	s->ended = false;
	dg_map_put(&s->told, m->request_id, s);
}

void
dg_intake_message(struct dg_peer *p, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_ledger *l = p->ledger;

	switch (type) {
	case DG_MSG_POP_RAW: {
		struct dg_msg_pop_raw *m = payload;

		if (m->slot >= DG_POP_SLOTS)
			return;
		dg_closep(&p->slots[m->slot].raw);
		p->slots[m->slot].raw = TAKE_FD(m->raw);
		break;
	}
	case DG_MSG_REQUEST:
		told(p, payload);
		on_request(l, p, id, payload);
		break;
	case DG_MSG_POP_END: {
		const struct dg_msg_pop_end *m = payload;

		if (m->slot < DG_POP_SLOTS)
			p->slots[m->slot].ended = true;
		break;
	}
	case DG_MSG_WORKSPACE:
		on_workspace(l, payload);
		break;
	case DG_MSG_UNCHANGED:
		l->workspace_wall = ((struct dg_msg_unchanged *)payload)->wall;
		dg_work_unchanged(l, payload);
		break;
	case DG_MSG_SCOPE:
		on_scope(l, payload);
		break;
	default: /* HAVE_END says nothing */
		break;
	}
}

struct rescue {
	struct dg_ledger *ledger;
	const struct dg_pop_slot *slot;
};

static void
rescue_item(void *arg, const struct dg_popped *item)
{
	const struct rescue *r = arg;
	struct dg_msg_request m = {
		.kind = item->kind,
		.branch = item->branch,
		.expire = item->expire,
		.popped = (uint64_t)dg_wall_usec(),
		.request_id = item->request_id,
		.api = item->api,
		.deployment = item->deployment,
		.location = item->location,
		.error = item->error,
		.body = DG_BODY_STR(item->body),
	};

	/* What was told may be answered and forgotten by now. */
	if (item->request_id.n && !dg_map_get(&r->slot->told, item->request_id))
		on_request(r->ledger, NULL, 0, &m);
}

void
dg_intake_rescue(struct dg_peer *p)
{
	for (size_t i = 0; i < DG_N(p->slots); i++) {
		auto_close int fd = TAKE_FD(p->slots[i].raw);
		struct rescue r = {p->ledger, &p->slots[i]};
		struct dg_popped_split *split;
		auto_buf bytes = DG_BUF_INIT;
		struct dg_err e;

		if (fd < 0)
			continue;
		if (lseek(fd, 0, SEEK_SET) < 0 ||
			dg_read_fd(fd, DG_HTTP_BODY_MAX, &bytes, &e) < 0 || !bytes.n)
			continue;
		split = dg_popped_split_new(rescue_item, &r);
		(void)dg_popped_split_feed(split, dg_buf_str(&bytes), &e);
		dg_popped_split_free(split);
	}
}
