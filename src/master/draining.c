/* master/draining.c: no new work: pollers stop popping, then the ledger says when nothing
 * is under way any more. For `dagletctl drain`, and before the end. */
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "master/master.h"
#include "master/rows.h"

static bool
is_queue(const struct dg_child *c)
{
	return c->role == DG_ROLE_POLLER && strcmp(c->inst, "workspace") != 0;
}

/* One that is not ready has no link to pop for. */
static bool
pollers_are_idle(const struct dg_master *m)
{
	const struct dg_child *c;

	TAILQ_FOREACH (c, &m->children, entry)
		if (is_queue(c) && !c->idle &&
			(c->sup.state == DG_CHILD_READY ||
				c->sup.state == DG_CHILD_QUIESCING))
			return false;
	return true;
}

static void
send(struct dg_child *c, bool on)
{
	struct dg_msg_drain d = {on};

	c->idle = false;
	dg_child_send(c, DG_MSG_DRAIN, &d);
}

static void
ask_ledger(struct dg_master *m)
{
	struct dg_child *ledger = dg_master_ready(m, DG_ROLE_LEDGER);

	if (ledger && m->draining.state == DG_DRAIN_WAITING && pollers_are_idle(m))
		send(ledger, true);
}

void
dg_draining_set(struct dg_master *m, bool on)
{
	struct dg_child *c;

	if (on == (m->draining.state != DG_DRAIN_NO))
		return;
	m->draining.state = on ? DG_DRAIN_WAITING : DG_DRAIN_NO;
	m->draining.left = 0;
	TAILQ_FOREACH (c, &m->children, entry)
		if (c->sup.state == DG_CHILD_READY &&
			(is_queue(c) || (!on && c->role == DG_ROLE_LEDGER)))
			send(c, on);
	ask_ledger(m);
	if (!m->ending.under_way)
		dg_log(LOG_NOTICE, "%s",
			on ? "draining: no more work is taken" : "work is taken again");
	dg_rows_tell_self(m);
}

void
dg_draining_ask(struct dg_master *m)
{
	if (m->draining.state == DG_DRAIN_NO)
		m->draining.state = DG_DRAIN_WAITING;
	ask_ledger(m);
}

void
dg_draining_ready(struct dg_child *c)
{
	if (c->master->draining.state == DG_DRAIN_NO)
		return;
	if (is_queue(c))
		send(c, true);
	else if (c->role == DG_ROLE_LEDGER)
		ask_ledger(c->master);
}

void
dg_draining_idle(struct dg_child *c, uint64_t left)
{
	struct dg_master *m = c->master;

	if (m->draining.state == DG_DRAIN_NO)
		return;
	if (c->role != DG_ROLE_LEDGER) {
		c->idle = true;
		ask_ledger(m);
		return;
	}
	if (m->draining.state == DG_DRAIN_DONE || !pollers_are_idle(m))
		return;
	m->draining.state = DG_DRAIN_DONE;
	m->draining.left = left;
	if (m->ending.under_way) {
		m->ending.idle = true;
		dg_ending_next(m);
		return;
	}
	dg_log(LOG_NOTICE,
		"drained: nothing is under way%s; dagletctl drain --undo takes work "
		"again",
		left ? " but for what waits for its location" : "");
	dg_rows_tell_self(m);
}
