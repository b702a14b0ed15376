/* ledger/ledger.c: the role that remembers: start, links, and what commits set free. */
#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"

#define TICK_EVERY (5 * DG_SEC)
#define SWEEP_AFTER (20 * DG_SEC)
#define EXPIRE_EVERY (60 * DG_MINUTE)

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

void
dg_ledger_acknowledge(struct dg_ledger *l)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_POLLER && p->to_tell) {
			p->to_tell = false;
			dg_peer_send(p, DG_MSG_RECORDED, p->recorded, NULL);
		}
}

static const char *
durability_words(enum dg_durability d)
{
	static const char *const words[] = {
		[DG_DURABLE] = "the store can be written",
		[DG_DURABLE_NONE] = "requests are kept in memory only",
		[DG_DURABLE_SLOW] = "the store is slow: popping pauses",
		[DG_DURABLE_PAUSED] = "the store cannot be written: popping pauses, what "
				      "is in hand waits",
		[DG_DURABLE_BROKEN] = "the store is broken: requests are served without "
				      "being remembered, launches are refused",
	};

	return words[d];
}

/* The store does not come back soon: what may be served without it need not wait. What
 * must not happen twice is kept waiting (an intent, a run's handle) or goes back, to be
 * refused. */
static void
let_go(struct dg_ledger *l)
{
	struct dg_wait *wt, *next;

	for (wt = TAILQ_FIRST(&l->waits); wt; wt = next) {
		struct dg_entry *en = dg_book_by_id(&l->book, wt->id);

		next = TAILQ_NEXT(wt, entry);
		if (wt->what == DG_WAIT_INTENT || wt->what == DG_WAIT_HANDLE)
			continue;
		TAILQ_REMOVE(&l->waits, wt, entry);
		if (wt->what == DG_WAIT_RECORDED || wt->what == DG_WAIT_REPEATED) {
			dg_intake_recorded(l, wt);
		} else if (wt->what != DG_WAIT_SENT) {
			dg_work_committed(l, wt);
		} else if (en && en->state == DG_ENTRY_SENDING) {
			dg_lanes_done(&l->book.lanes, &en->lane);
			dg_work_add(l, en);
		}
		free(wt);
	}
	dg_ledger_acknowledge(l);
}

void
dg_ledger_look(struct dg_ledger *l)
{
	struct dg_store_health h;
	enum dg_durability d;

	dg_store_health(l->store, &h);
	d = dg_durability(&h);
	if (d == l->durability)
		return;
	l->durability = d;
	if (d == DG_DURABLE || d == DG_DURABLE_NONE)
		dg_log(LOG_NOTICE, "%s", durability_words(d));
	else
		dg_log(d == DG_DURABLE_SLOW ? LOG_WARNING : LOG_ERR, "%s%s%s",
			durability_words(d), h.error[0] ? ": " : "", h.error);
	if (dg_may_serve_unstored(d))
		let_go(l);
	if (dg_ledger_peer(l, DG_ROLE_STATUS, ""))
		dg_mirror_own(l);
}

void
dg_ledger_committed(void *arg, uint64_t ticket)
{
	struct dg_ledger *l = arg;
	struct dg_wait *wt;

	dg_ledger_look(l);
	while ((wt = TAILQ_FIRST(&l->waits)) && wt->ticket <= ticket) {
		TAILQ_REMOVE(&l->waits, wt, entry);
		if (wt->what == DG_WAIT_RECORDED || wt->what == DG_WAIT_REPEATED)
			dg_intake_recorded(l, wt);
		else
			dg_work_committed(l, wt);
		free(wt);
	}
	dg_ledger_acknowledge(l);
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
	dg_ledger_acknowledge(p->ledger);
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
	else if (type == DG_MSG_DRAIN)
		dg_drain_set(w->data, ((struct dg_msg_drain *)payload)->on != 0);
}

/* The store could not be opened at first and now is: what it remembers is read by a
 * ledger that starts anew, once all that only this one knows is told. */
static void
read_it_now(struct dg_ledger *l)
{
	const struct dg_entry *en;

	TAILQ_FOREACH (en, &l->book.all, all)
		if (en->unstored)
			return;
	dg_log(LOG_NOTICE, "the store can be read now: the ledger starts anew with it");
	dg_worker_exit(l->w, 1);
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_ledger *l = arg;
	struct dg_store_health h;

	(void)usec;
	dg_ledger_look(l);
	dg_store_health(l->store, &h);
	dg_worker_say(l->w, "%zu requests, store %s", l->book.count,
		l->durability == DG_DURABLE        ? "fine"
		: l->durability == DG_DURABLE_NONE ? "in memory"
						   : dg_durability_name(l->durability));
	if (!h.broken)
		dg_worker_success(l->w);
	if (dg_ledger_peer(l, DG_ROLE_STATUS, ""))
		dg_mirror_own(l);
	if (dg_now() - l->expired > EXPIRE_EVERY) {
		l->expired = dg_now();
		(void)dg_book_expire(&l->book, dg_wall_usec());
	}
	if (h.durable && h.opened)
		dg_start_reserve_ids(l);
	dg_work_pump(l);
	dg_out_pump(l);
	dg_intake_credit(l);
	if (h.reopened)
		read_it_now(l);
	sd_event_source_set_time(s, dg_now() + (h.broken ? DG_SEC : TICK_EVERY));
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
	l->expired = dg_now();
	r = dg_start(l, e);
	if (r < 0)
		return r;
	r = sd_event_add_time(w->event, &l->tick, CLOCK_MONOTONIC,
		dg_now() + TICK_EVERY / 5, 500 * DG_MSEC, on_tick, l);
	if (r >= 0)
		r = sd_event_add_time(w->event, &l->sweep, CLOCK_MONOTONIC, DG_USEC_NEVER,
			DG_SEC, on_sweep, l);
	if (r < 0)
		return dg_fail(e, DG_TRANSPORT, -r, "cannot make a timer");
	r = dg_drain_open(l, e);
	if (r < 0)
		return r;
	return 0;
}

/* All others are gone: what is in the book now stays in the store. */
static void
on_quiesce(struct dg_worker *w)
{
	dg_worker_done(w, ((struct dg_ledger *)w->data)->book.count);
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
	sd_event_source_disable_unref(l->drain);
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
		.quiesce = on_quiesce,
		.teardown = teardown,
	};

	return dg_worker_main(DG_ROLE_LEDGER, argc, argv, &ops);
}
