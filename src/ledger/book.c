/* ledger/book.c: see book.h. */
#include "ledger/book.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/recover.h"

struct id_key {
	char text[24];
};

static struct dg_str
id_key(uint64_t id, struct id_key *k)
{
	int n = snprintf(k->text, sizeof k->text, "%" PRIu64, id);

	return dg_strn(k->text, (size_t)n);
}

void
dg_book_init(struct dg_book *b)
{
	*b = (struct dg_book){.by_request = DG_MAP_INIT,
		.by_id = DG_MAP_INIT,
		.tombstones = DG_MAP_INIT,
		.next_id = 1};
	TAILQ_INIT(&b->all);
	TAILQ_INIT(&b->out);
	dg_lanes_init(&b->lanes, DG_LAUNCHER_CREDIT, DG_LOCATION_CREDIT);
}

void
dg_book_clear(struct dg_book *b)
{
	struct dg_entry *en;

	while ((en = TAILQ_FIRST(&b->all)))
		dg_book_drop(b, en);
	DG_MAP_EACH(&b->tombstones, s)
	{
		struct dg_tombstone *t = s->value;

		dg_buf_clear(&t->answer);
		free(t);
	}
	dg_map_clear(&b->by_request);
	dg_map_clear(&b->by_id);
	dg_map_clear(&b->tombstones);
	dg_lanes_clear(&b->lanes);
}

struct dg_entry *
dg_book_add(struct dg_book *b, uint64_t id, const struct dg_msg_request *m,
	struct dg_body *body)
{
	struct dg_entry *en = dg_new(struct dg_entry);
	struct id_key k;

	en->id = id ? id : b->next_id;
	if (en->id >= b->next_id)
		b->next_id = en->id + 1;
	en->kind = m->kind;
	en->branch = m->branch;
	en->expire = m->expire;
	en->popped = m->popped;
	en->request_id = dg_str_dup(m->request_id);
	en->api = dg_str_dup(m->api);
	en->deployment = dg_str_dup(m->deployment);
	en->location = dg_str_dup(m->location);
	en->error = dg_str_dup(m->error);
	en->answer = DG_BLOB_INIT;
	dg_body_take(body, &en->body);
	en->bytes = en->body.n;
	dg_book_state(en, DG_ENTRY_RECORDING);
	TAILQ_INSERT_TAIL(&b->all, en, all);
	dg_map_put(&b->by_id, id_key(en->id, &k), en);
	dg_map_put(&b->by_request, m->request_id, en);
	b->count++;
	b->bytes += en->bytes;
	return en;
}

struct dg_entry *
dg_book_by_id(const struct dg_book *b, uint64_t id)
{
	struct id_key k;

	return dg_map_get(&b->by_id, id_key(id, &k));
}

struct dg_entry *
dg_book_by_request(const struct dg_book *b, struct dg_str request_id)
{
	return dg_map_get(&b->by_request, request_id);
}

void
dg_book_state(struct dg_entry *en, enum dg_entry_state st)
{
	en->state = st;
	en->since = dg_now();
	en->held = false;
}

void
dg_book_answered(struct dg_book *b, struct dg_entry *en)
{
	b->answered++;
	dg_book_state(en, DG_ENTRY_ANSWERED);
	b->bytes -= en->bytes;
	dg_blob_clear(&en->body);
	en->bytes = en->answer.n;
	b->bytes += en->bytes;
	TAILQ_INSERT_TAIL(&b->out, en, out);
	en->in_out = true;
}

void
dg_book_drop(struct dg_book *b, struct dg_entry *en)
{
	struct id_key k;

	dg_lanes_done(&b->lanes, &en->lane);
	if (en->in_out)
		TAILQ_REMOVE(&b->out, en, out);
	TAILQ_REMOVE(&b->all, en, all);
	dg_map_del(&b->by_id, id_key(en->id, &k));
	dg_map_del(&b->by_request, dg_str(en->request_id));
	b->count--;
	b->bytes -= en->bytes;
	free(en->request_id);
	free(en->api);
	free(en->deployment);
	free(en->location);
	free(en->error);
	dg_blob_clear(&en->body);
	dg_blob_clear(&en->answer);
	free(en);
}

void
dg_book_bury(
	struct dg_book *b, struct dg_str request_id, struct dg_str answer, int64_t wall)
{
	struct dg_tombstone *t = dg_new(struct dg_tombstone), *old;

	t->wall = wall;
	dg_buf_addstr(&t->answer, answer);
	old = dg_map_put(&b->tombstones, request_id, t);
	if (old) {
		dg_buf_clear(&old->answer);
		free(old);
	}
}

const struct dg_tombstone *
dg_book_tombstone(const struct dg_book *b, struct dg_str request_id)
{
	return dg_map_get(&b->tombstones, request_id);
}

size_t
dg_book_expire(struct dg_book *b, int64_t now)
{
	auto_buf old = DG_BUF_INIT; /* keys, each with its NUL */
	size_t n = 0;

	DG_MAP_EACH(&b->tombstones, s)
	if (dg_tombstone_old(((struct dg_tombstone *)s->value)->wall, now)) {
		dg_buf_add(&old, s->key, s->n);
		dg_buf_addc(&old, '\0');
	}
	for (const char *p = old.p; p && p < old.p + old.n; p += strlen(p) + 1, n++) {
		struct dg_tombstone *t = dg_map_del(&b->tombstones, dg_str(p));

		if (t)
			dg_buf_clear(&t->answer);
		free(t);
	}
	return n;
}

size_t
dg_book_room(const struct dg_book *b)
{
	return b->count < DG_PENDING_MAX ? DG_PENDING_MAX - b->count : 0;
}

size_t
dg_book_room_bytes(const struct dg_book *b)
{
	return b->bytes < DG_PENDING_BYTES ? DG_PENDING_BYTES - b->bytes : 0;
}

bool
dg_entry_needs_sent(const struct dg_entry *en)
{
	const struct dg_request_row *row = dg_request_row((enum dg_request_kind)en->kind);

	return row && row->on_lost != DG_LOST_AGAIN && !en->error[0];
}

bool
dg_entry_is_launch(const struct dg_entry *en)
{
	return en->kind == DG_REQ_LAUNCH_RUN;
}

const char *
dg_entry_state_name(enum dg_entry_state st)
{
	static const char *const names[] = {"recording", "waiting", "sending", "working",
		"answering", "answered", "delivering"};

	return (unsigned)st < DG_N(names) ? names[st] : "?";
}
