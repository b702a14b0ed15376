/* ledger/ledger.c: the role that remembers: start, links, and what commits set free. */
#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "log/log.h"

#define TICK_EVERY (5 * DG_SEC)
#define SWEEP_AFTER (20 * DG_SEC)

struct dg_peer *
dg_ledger_peer(struct dg_ledger *l, enum dg_role role, const char *inst)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == role && strcmp(p->inst, inst) == 0)
			return p;
	return NULL;
}

struct dg_peer *
dg_ledger_peer_by_epoch(struct dg_ledger *l, uint32_t epoch)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->epoch == epoch)
			return p;
	return NULL;
}

void
dg_peer_send(struct dg_peer *p, enum dg_msg_type type, uint64_t id, const void *payload)
{
	struct dg_err e;

	if (!p || !dg_link_open(p->link))
		return;
	if (dg_link_send(p->link, type, id, payload, &e) < 0)
		dg_log_err(
			LOG_ERR, &e, DG_KV({"msg", dg_msg_name(type)}, {"to", p->inst}));
}

void
dg_ledger_wait(struct dg_ledger *l, enum dg_wait_what what, uint64_t ticket, uint64_t id,
	uint32_t epoch, uint64_t seq)
{
	struct dg_wait *wt = dg_new(struct dg_wait),
		       *last = TAILQ_LAST(&l->waits, dg_waits);

	/* Acknowledgements are cumulative: nothing may overtake. */
	if (last && last->ticket > ticket)
		ticket = last->ticket;
	*wt = (struct dg_wait){
		.what = what, .ticket = ticket, .id = id, .epoch = epoch, .seq = seq};
	TAILQ_INSERT_TAIL(&l->waits, wt, entry);
}

static void
acknowledge(struct dg_ledger *l)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_POLLER && p->to_tell) {
			p->to_tell = false;
			dg_peer_send(p, DG_MSG_RECORDED, p->recorded, NULL);
		}
}

static void
on_committed(void *arg, uint64_t ticket)
{
	struct dg_ledger *l = arg;
	struct dg_wait *wt;

	while ((wt = TAILQ_FIRST(&l->waits)) && wt->ticket <= ticket) {
		TAILQ_REMOVE(&l->waits, wt, entry);
		if (wt->what == DG_WAIT_RECORDED || wt->what == DG_WAIT_REPEATED)
			dg_intake_recorded(l, wt);
		else
			dg_work_committed(l, wt);
		free(wt);
	}
	acknowledge(l);
	dg_work_pump(l);
	dg_out_pump(l);
	dg_intake_credit(l);
}

/* Links. */

static void
drop_peer(struct dg_peer *p)
{
	struct dg_ledger *l = p->ledger;

	TAILQ_REMOVE(&l->peers, p, entry);
	dg_link_free(p->link);
	for (size_t i = 0; i < DG_N(p->slots); i++) {
		dg_closep(&p->slots[i].raw);
		dg_map_clear(&p->slots[i].told);
	}
	free(p);
}

static void
peer_message(struct dg_link *link, enum dg_msg_type type, uint64_t id, void *payload,
	void *arg)
{
	struct dg_peer *p = arg;
	struct dg_ledger *l = p->ledger;

	(void)link;
	switch (type) {
	case DG_MSG_HAVE_END:
		p->have_end = true;
		if (p->role == DG_ROLE_LAUNCHER)
			sd_event_source_set_time(l->sweep, dg_now() + SWEEP_AFTER);
		if (p->role == DG_ROLE_LAUNCHER)
			sd_event_source_set_enabled(l->sweep, SD_EVENT_ONESHOT);
		return;
	case DG_MSG_STATE:
		dg_mirror_state(p, payload);
		return;
	case DG_MSG_TROUBLE: {
		const struct dg_msg_trouble *m = payload;

		dg_mirror_trouble(l, m->wall, dg_strn(m->error.p, m->error.n));
		return;
	}
	case DG_MSG_COMMAND:
		dg_mirror_command(p, id, payload);
		return;
	case DG_MSG_RESULT:
		dg_mirror_result(l, id, payload);
		return;
	default:
		break;
	}
	if (p->role == DG_ROLE_POLLER)
		dg_intake_message(p, type, id, payload);
	else if (p->role == DG_ROLE_LAUNCHER)
		dg_work_message(p, type, id, payload);
	else if (p->role == DG_ROLE_REPORTER)
		dg_out_message(p, type, id, payload);
}

static void
peer_batch_end(struct dg_link *link, void *arg)
{
	struct dg_peer *p = arg;

	(void)link;
	dg_work_pump(p->ledger);
	dg_out_pump(p->ledger);
	dg_intake_credit(p->ledger);
}

static void
peer_closed(struct dg_link *link, const struct dg_err *why, void *arg)
{
	struct dg_peer *p = arg;
	struct dg_ledger *l = p->ledger;

	(void)link;
	if (why->cls == DG_BUG)
		dg_worker_misbehaved(l->w, p->role, p->inst, p->epoch, why->what);
	if (p->role == DG_ROLE_POLLER)
		dg_intake_rescue(p);
	if (p->role == DG_ROLE_LAUNCHER) {
		dg_work_unlinked(p);
		dg_mirror_no_launcher(l);
	}
	if (p->role == DG_ROLE_REPORTER)
		dg_out_unlinked(p);
	drop_peer(p);
}

static void
peer_drained(struct dg_link *link, void *arg)
{
	peer_batch_end(link, arg);
}

static const struct dg_link_ops peer_ops = {
	peer_message, peer_batch_end, peer_closed, peer_drained};

static void
on_peer(struct dg_ledger *l, struct dg_msg_peer *m)
{
	struct dg_msg_identity who = {
		.agent_id = dg_str(l->agent_id), .installation = dg_str(l->installation)};
	struct dg_peer *p, *old;
	struct dg_err e;

	p = dg_new(struct dg_peer);
	p->ledger = l;
	p->role = (enum dg_role)m->role;
	p->epoch = (uint32_t)m->epoch;
	snprintf(p->inst, sizeof p->inst, "%.*s", DG_FMT(m->inst));
	for (size_t i = 0; i < DG_N(p->slots); i++)
		p->slots[i] = (struct dg_pop_slot){.raw = -1, .told = DG_MAP_INIT};
	old = dg_ledger_peer(l, p->role, p->inst);
	if (dg_link_new(&p->link, l->w->event, TAKE_FD(m->link), DG_ROLE_LEDGER, p->role,
		    p->epoch, &peer_ops, p, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		free(p);
		return;
	}
	if (old) { /* its end was not seen yet */
		dg_fail(&e, DG_TRANSPORT, 0, "replaced");
		peer_closed(old->link, &e, old);
	}
	TAILQ_INSERT_TAIL(&l->peers, p, entry);
	dg_peer_send(p, DG_MSG_IDENTITY, 0, &who);
	if (p->role == DG_ROLE_STATUS || p->role == DG_ROLE_REPORTER)
		dg_mirror_linked(p);
	if (p->role == DG_ROLE_POLLER)
		dg_intake_linked(p);
	else if (p->role == DG_ROLE_LAUNCHER)
		dg_work_linked(p);
	else if (p->role == DG_ROLE_REPORTER)
		dg_out_linked(p);
}

static void
on_control(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	(void)id;
	if (type == DG_MSG_PEER)
		on_peer(w->data, payload);
}

/* Start: what the store remembers. */

static void
load_request(void *arg, const struct dg_row_request *row)
{
	struct dg_ledger *l = arg;
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
	struct dg_entry *en;

	body.fd = -1; /* a copy: the loader's body lives for the call */
	en = dg_book_add(&l->book, row->id, &m, &body);
	if (row->stage == DG_REQ_ANSWERED) {
		(void)dg_blob_from(
			&en->answer, dg_strn(row->answer.p, row->answer.n), NULL);
		dg_out_answered(l, en);
		return;
	}
	en->attempt = row->stage == DG_REQ_SENT ? 1 : 0;
	dg_work_add(l, en);
}

static void
load_handle(void *arg, const struct dg_row_handle *row)
{
	dg_work_known(arg, row);
}

static void
load_tombstone(void *arg, const struct dg_row_tombstone *row)
{
	dg_book_bury(&((struct dg_ledger *)arg)->book, row->request_id, row->answer,
		row->wall);
}

static void
load_meta(void *arg, struct dg_str key, struct dg_str value)
{
	struct dg_ledger *l = arg;
	char text[24];

	if (dg_str_is(key, "agent_id"))
		snprintf(l->agent_id, sizeof l->agent_id, "%.*s", DG_FMT(value));
	else if (dg_str_is(key, "installation"))
		snprintf(l->installation, sizeof l->installation, "%.*s", DG_FMT(value));
	else if (dg_str_is(key, "workspace"))
		dg_buf_addstr(&l->workspace, value);
	else if (dg_str_is(key, "scope"))
		dg_buf_addstr(&l->scope, value);
	else if (dg_str_is(key, "workspace_wall")) {
		snprintf(text, sizeof text, "%.*s", DG_FMT(value));
		l->workspace_wall = strtoull(text, NULL, 10);
	}
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_ledger *l = arg;
	struct dg_store_health h;

	(void)usec;
	dg_store_health(l->store, &h);
	if (h.broken != l->said_broken) {
		l->said_broken = h.broken;
		if (h.broken)
			dg_log(LOG_ERR, "the store cannot be written, popping stops: %s",
				h.error);
		else
			dg_log(LOG_NOTICE, "the store can be written again");
	}
	dg_worker_say(l->w, "%zu requests, store %s", l->book.count,
		!h.durable ? "in memory"
		: h.broken ? "broken"
			   : "fine");
	if (!h.broken)
		dg_worker_success(l->w);
	if (dg_ledger_peer(l, DG_ROLE_STATUS, ""))
		dg_mirror_own(l);
	dg_intake_credit(l);
	sd_event_source_set_time(s, dg_now() + TICK_EVERY);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

static int
on_sweep(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	dg_mirror_sweep(arg);
	return 0;
}

static int
setup(struct dg_worker *w, struct dg_err *e)
{
	struct dg_ledger *l = dg_new(struct dg_ledger);
	struct dg_store_loader load = {
		load_request, load_handle, load_tombstone, load_meta, l};
	const char *dir = dg_settings_str(w->settings, "daglet.state_dir");
	int r;

	w->data = l;
	l->w = w;
	dg_book_init(&l->book);
	TAILQ_INIT(&l->peers);
	TAILQ_INIT(&l->calls);
	TAILQ_INIT(&l->asks);
	TAILQ_INIT(&l->waits);
	l->known = DG_MAP_INIT;
	l->states = DG_MAP_INIT;
	r = dg_store_open(&l->store, w->event, dir && dir[0] ? dir : NULL, &load,
		on_committed, l, e);
	if (r < 0)
		return r;
	/* Ids are never used twice, also when the store was empty: others may still hold
	 * old ones. Requests are slower than microseconds. */
	if (l->book.next_id < (uint64_t)dg_wall_usec())
		l->book.next_id = (uint64_t)dg_wall_usec();
	if (!l->agent_id[0]) {
		dg_uuid4(l->agent_id);
		dg_store_meta(l->store, "agent_id", dg_str(l->agent_id));
	}
	if (!l->installation[0]) {
		dg_random_hex(l->installation, 32);
		dg_store_meta(l->store, "installation", dg_str(l->installation));
	}
	r = sd_event_add_time(w->event, &l->tick, CLOCK_MONOTONIC,
		dg_now() + TICK_EVERY / 5, 500 * DG_MSEC, on_tick, l);
	if (r >= 0)
		r = sd_event_add_time(w->event, &l->sweep, CLOCK_MONOTONIC, DG_USEC_NEVER,
			DG_SEC, on_sweep, l);
	if (r < 0)
		return dg_fail(e, DG_TRANSPORT, -r, "cannot make a timer");
	if (l->book.count)
		dg_log(LOG_NOTICE, "%zu requests are taken up again", l->book.count);
	if (!dir || !dir[0])
		dg_log(LOG_WARNING, "no state folder: requests are kept in memory only");
	return 0;
}

static void
teardown(struct dg_worker *w)
{
	struct dg_ledger *l = w->data;
	struct dg_peer *p;
	struct dg_wait *wt;

	if (!l)
		return;
	dg_store_close(l->store);
	while ((p = TAILQ_FIRST(&l->peers))) {
		dg_link_flush(p->link);
		drop_peer(p);
	}
	while ((wt = TAILQ_FIRST(&l->waits))) {
		TAILQ_REMOVE(&l->waits, wt, entry);
		free(wt);
	}
	sd_event_source_disable_unref(l->tick);
	sd_event_source_disable_unref(l->sweep);
	dg_out_clear(l);
	dg_work_clear(l);
	dg_mirror_clear(l);
	dg_book_clear(&l->book);
	dg_buf_clear(&l->workspace);
	dg_buf_clear(&l->scope);
	dg_buf_clear(&l->ttl);
	free(l);
}

int
main(int argc, char **argv)
{
	static const struct dg_worker_ops ops = {
		.setup = setup,
		.control = on_control,
		.teardown = teardown,
	};

	return dg_worker_main(DG_ROLE_LEDGER, argc, argv, &ops);
}
