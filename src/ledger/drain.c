/* ledger/drain.c: is something under way? Asked by the master when no more work is taken:
 * by `dagletctl drain`, and before the end. See ledger.h.
 *
 * Under way is what a launcher works on or could be given, what is not delivered, and
 * calls. What waits for a location that is not up is not: that may take for ever, and the
 * store keeps it. How many those are the launcher says, a moment late; so it must hold
 * for half a second. */
#include "base/mem.h"
#include "ledger/ledger.h"
#include "json/json.h"

#define LOOK_EVERY (100 * DG_MSEC)
#define LOOKS 5

/* Requests that wait in the launcher for their location. */
static int64_t
held(const struct dg_ledger *l)
{
	int64_t n = 0, all = 0;

	DG_MAP_EACH(&l->states, s)
	{
		const struct dg_state_row *row = s->value;

		if (row->kind != DG_STATE_ROLE || row->from != DG_ROLE_LAUNCHER)
			continue;
		if (dg_json_member_int(dg_buf_str(&row->body), "held", &n))
			all += n;
	}
	return all;
}

static bool
launcher_is_there(struct dg_ledger *l)
{
	struct dg_peer *p;

	TAILQ_FOREACH (p, &l->peers, entry)
		if (p->role == DG_ROLE_LAUNCHER && p->have_end)
			return true;
	return false;
}

enum quiet { BUSY, ONLY_HELD, NOTHING };

static enum quiet
look(struct dg_ledger *l)
{
	const struct dg_entry *en;
	int64_t working = 0;

	if (!TAILQ_EMPTY(&l->calls))
		return BUSY;
	if (!l->book.count)
		return NOTHING;
	TAILQ_FOREACH (en, &l->book.all, all)
		if (en->state == DG_ENTRY_WORKING)
			working++;
		else if (en->state != DG_ENTRY_WAITING)
			return BUSY;
	/* What could be dispatched is, at once: what waits, waits behind those held. */
	return launcher_is_there(l) && working && working == held(l) ? ONLY_HELD : BUSY;
}

static void
check(struct dg_ledger *l)
{
	enum quiet q = look(l);

	l->drain_looks = q == ONLY_HELD ? l->drain_looks + 1 : 0;
	if (q == NOTHING || l->drain_looks >= LOOKS) {
		sd_event_source_set_enabled(l->drain, SD_EVENT_OFF);
		dg_worker_idle(l->w, l->book.count);
		return;
	}
	sd_event_source_set_time(l->drain, dg_now() + LOOK_EVERY);
	sd_event_source_set_enabled(l->drain, SD_EVENT_ONESHOT);
}

static int
on_look(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	check(arg);
	return 0;
}

int
dg_drain_open(struct dg_ledger *l, struct dg_err *e)
{
	int r = sd_event_add_time(l->w->event, &l->drain, CLOCK_MONOTONIC, DG_USEC_NEVER,
		10 * DG_MSEC, on_look, l);

	return r < 0 ? dg_fail(e, DG_TRANSPORT, -r, "cannot make a timer") : 0;
}

void
dg_drain_set(struct dg_ledger *l, bool on)
{
	l->drain_looks = 0;
	if (on)
		check(l);
	else
		sd_event_source_set_enabled(l->drain, SD_EVENT_OFF);
}
