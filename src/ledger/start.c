/* ledger/start.c: the store is read, and each thing in it taken up again. See ledger.h,
 * and recover.h for what is done with a request. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/rand.h"
#include "ledger/ledger.h"
#include "ledger/recover.h"
#include "log/log.h"

/* Ids that are set aside at a time; no ledger takes half of them between two looks. */
#define IDS_AHEAD ((uint64_t)1 << 24)

static struct dg_entry *
take(struct dg_ledger *l, const struct dg_row_request *row)
{
	struct dg_body body = row->body;
	struct dg_msg_request m = {
		.kind = row->kind,
		.branch = row->branch,
		.expire = row->expire,
		.popped = row->popped,
		.request_id = row->request_id,
		.api = row->api,
		.deployment = row->deployment,
		.location = row->location,
		.error = row->error,
	};

	body.fd = -1; /* a copy: the loader's body lives for the call */
	return dg_book_add(&l->book, row->id, &m, &body);
}

static void
load_request(void *arg, const struct dg_row_request *row)
{
	struct dg_ledger *l = arg;
	const struct dg_request_row *kind =
		dg_request_row((enum dg_request_kind)row->kind);
	const struct dg_tombstone *t = dg_book_tombstone(&l->book, row->request_id);
	struct dg_found found = {
		.stage = row->stage,
		.on_lost = kind ? kind->on_lost : DG_LOST_AGAIN,
		.body = !row->body_gone,
		.answer = row->stage == DG_REQ_ANSWERED && !row->answer_gone,
		.twice = dg_book_by_request(&l->book, row->request_id),
		.buried = t,
	};
	enum dg_recover what = dg_recover(&found);
	struct dg_entry *en = NULL;

	dg_log(LOG_DEBUG, "request %.*s is %s", DG_FMT(row->request_id),
		dg_recover_name(what));
	if (what == DG_RECOVER_FORGET) {
		dg_buf_add(&l->start_forget, &row->id, sizeof row->id);
		return;
	}
	en = take(l, row);
	switch (what) {
	case DG_RECOVER_DELIVER:
		(void)dg_blob_from(
			&en->answer, dg_strn(row->answer.p, row->answer.n), NULL);
		dg_out_answered(l, en);
		break;
	case DG_RECOVER_REPEAT:
		(void)dg_blob_from(&en->answer, dg_buf_str(&t->answer), NULL);
		dg_out_answered(l, en);
		break;
	case DG_RECOVER_LOOK:
		en->attempt = 1;
		dg_work_add(l, en);
		break;
	default: /* refused ones carry their error */
		dg_work_add(l, en);
	}
}

static void
load_handle(void *arg, const struct dg_row_handle *row)
{
	struct dg_ledger *l = arg;

	if (row->request >= l->book.next_id)
		l->book.next_id = row->request + 1;
	dg_work_known(l, row);
}

static void
load_tombstone(void *arg, const struct dg_row_tombstone *row)
{
	if (!dg_tombstone_old(row->wall, dg_wall_usec()))
		dg_book_bury(&((struct dg_ledger *)arg)->book, row->request_id,
			row->answer, row->wall);
}

static uint64_t
number(struct dg_str s)
{
	char text[24];

	snprintf(text, sizeof text, "%.*s", DG_FMT(s));
	return strtoull(text, NULL, 10);
}

static void
load_meta(void *arg, struct dg_str key, struct dg_str value)
{
	struct dg_ledger *l = arg;

	if (dg_str_is(key, "agent_id"))
		snprintf(l->agent_id, sizeof l->agent_id, "%.*s", DG_FMT(value));
	else if (dg_str_is(key, "installation"))
		snprintf(l->installation, sizeof l->installation, "%.*s", DG_FMT(value));
	else if (dg_str_is(key, "workspace"))
		dg_buf_addstr(&l->workspace, value);
	else if (dg_str_is(key, "scope"))
		dg_buf_addstr(&l->scope, value);
	else if (dg_str_is(key, "workspace_wall"))
		l->workspace_wall = number(value);
	else if (dg_str_is(key, "ids"))
		l->ids_reserved = number(value);
}

void
dg_start_reserve_ids(struct dg_ledger *l)
{
	char text[24];

	if (l->book.next_id + IDS_AHEAD / 2 <= l->ids_reserved)
		return;
	l->ids_reserved = l->book.next_id + IDS_AHEAD;
	snprintf(text, sizeof text, "%" PRIu64, l->ids_reserved);
	dg_store_meta(l->store, "ids", dg_str(text));
}

/* Others may still hold ids of before, also when this store is empty or was lost: real
 * time is ahead of any counter (requests are slower than microseconds), and the store
 * knows better when the clock was set back. */
static void
first_id(struct dg_ledger *l)
{
	uint64_t now = (uint64_t)dg_wall_usec();

	if (l->book.next_id < now)
		l->book.next_id = now;
	if (l->book.next_id < l->ids_reserved)
		l->book.next_id = l->ids_reserved;
	l->ids_reserved = 0;
}

int
dg_start(struct dg_ledger *l, struct dg_err *e)
{
	struct dg_store_loader load = {
		load_request, load_handle, load_tombstone, load_meta, l};
	const char *dir = dg_settings_str(l->w->settings, "daglet.state_dir");
	struct dg_store_health h;
	uint64_t id;
	int r = dg_store_open(&l->store, l->w->event, dir && dir[0] ? dir : NULL, &load,
		dg_ledger_committed, l, e);

	if (r < 0)
		return r;
	for (size_t at = 0; at < l->start_forget.n; at += sizeof id) {
		memcpy(&id, l->start_forget.p + at, sizeof id);
		dg_store_forget(l->store, id);
	}
	dg_buf_clear(&l->start_forget);
	first_id(l);
	dg_store_health(l->store, &h);
	l->durability = DG_DURABLE;
	dg_ledger_look(l);
	if (!l->agent_id[0]) {
		dg_uuid4(l->agent_id);
		if (h.opened || !h.durable)
			dg_store_meta(l->store, "agent_id", dg_str(l->agent_id));
	}
	if (!l->installation[0]) {
		dg_random_hex(l->installation, 32);
		if (h.opened || !h.durable)
			dg_store_meta(l->store, "installation", dg_str(l->installation));
	}
	if (h.opened)
		dg_start_reserve_ids(l);
	if (h.damaged[0])
		dg_log(LOG_ERR,
			"a damaged state.db stands aside as %s: what only it knew is "
			"forgotten; look at it and remove it",
			h.damaged);
	if (l->book.count)
		dg_log(LOG_NOTICE, "%zu requests are taken up again", l->book.count);
	return 0;
}
