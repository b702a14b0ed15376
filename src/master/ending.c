/* master/ending.c: the ordered end. What it means is decided in stop.c.
 *
 *   pollers end -> the ledger says that nothing is under way, or drain_timeout is over ->
 *   launchers end -> the reporter delivers, and says a last heartbeat -> ledger -> status
 *
 * A step begins when nobody of the one before is left. Asked a second time, daglet ends
 * at once: what is left waits in the store. */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"
#include "master/master.h"

/* A launcher that has to remove servers gets so long when there is a hurry. */
#define HURRY (2 * DG_SEC)
/* What the steps after the drain may take at most, for systemd. */
#define AFTERWARDS (45 * DG_SEC)

static const int stop_step[] = {
#define X(id, name, program, linked, stop, env) [DG_ROLE_##id] = stop,
	DG_ROLE_TABLE(X)
#undef X
};

static dg_usec
rest(const struct dg_ending *d)
{
	dg_usec now = dg_now();

	return d->hurry || now >= d->deadline ? 0 : d->deadline - now;
}

static int
lowest_step(const struct dg_master *m)
{
	const struct dg_child *c;
	int lowest = INT32_MAX;

	TAILQ_FOREACH (c, &m->children, entry)
		if (c->sup.state != DG_CHILD_GONE && stop_step[c->role] < lowest)
			lowest = stop_step[c->role];
	return lowest;
}

static void
begin_step(struct dg_master *m, int step)
{
	struct dg_ending *d = &m->ending;
	struct dg_child *c;

	d->step = step;
	TAILQ_FOREACH (c, &m->children, entry) {
		if (stop_step[c->role] != step || !c->sup.wanted)
			continue;
		c->sup.quiesce = dg_stop_limits(c->role, rest(d), d->remove).wait;
		dg_master_drive(c, DG_EV_QUIESCE);
	}
}

/* Before launchers end: is something under way, and is there time for it? */
static bool
is_idle(struct dg_master *m)
{
	struct dg_ending *d = &m->ending;
	struct dg_child *c;

	if (d->idle || !rest(d))
		return true;
	TAILQ_FOREACH (c, &m->children, entry)
		if (c->role == DG_ROLE_LEDGER)
			return c->sup.state == DG_CHILD_PARKED ||
			       c->sup.state == DG_CHILD_GONE;
	return true;
}

void
dg_ending_next(struct dg_master *m)
{
	struct dg_ending *d = &m->ending;
	int lowest = lowest_step(m);

	if (!d->under_way)
		return;
	if (lowest == INT32_MAX) {
		sd_event_exit(m->event,
			d->restart && !d->hurry ? DG_EXIT_AGAIN : dg_stop_code(d->left));
		return;
	}
	if (lowest <= d->step)
		return;
	if (lowest == stop_step[DG_ROLE_LAUNCHER] && d->step < lowest) {
		if (!d->asked)
			dg_draining_ask(m);
		d->asked = true;
		if (!d->decided || !is_idle(m))
			return;
	}
	begin_step(m, lowest);
}

/* What becomes of servers is settled. */
static void
decide(struct dg_master *m, enum dg_unit_job job)
{
	struct dg_ending *d = &m->ending;
	const char *backend = dg_settings_str(m->settings, "backend");
	struct dg_stop_facts f = {
		.on_stop = dg_settings_str(m->settings, "daglet.on_stop"),
		.why = d->why,
		.job = job,
		.outlive = !backend || strcmp(backend, "process") == 0,
		.init = getpid() == 1,
	};

	d->remove = dg_stop_removes(&f);
	d->decided = true;
	dg_log(LOG_NOTICE, "code servers are %s", d->remove ? "removed" : "kept");
}

static void
on_job(void *arg, enum dg_unit_job job)
{
	decide(arg, job);
	dg_ending_next(arg);
}

static void
ask(struct dg_master *m)
{
	struct dg_stop_facts f = {
		.on_stop = dg_settings_str(m->settings, "daglet.on_stop"),
		.why = m->ending.why,
		.init = getpid() == 1,
	};

	if (!dg_stop_asks(&f) || dg_unit_ask(&m->ending.ask, m->event, on_job, m) < 0)
		decide(m, DG_JOB_NONE);
}

static void
hurry(struct dg_master *m)
{
	struct dg_ending *d = &m->ending;
	struct dg_child *c, *tmp;

	if (d->hurry)
		return;
	d->hurry = true;
	if (!d->decided)
		decide(m, DG_JOB_NONE);
	dg_log(LOG_NOTICE, "asked again: ending at once; what is under way is taken up "
			   "by the next daglet");
	for (c = TAILQ_FIRST(&m->children); c; c = tmp) {
		tmp = TAILQ_NEXT(c, entry);
		c->sup.quiesce = d->remove && c->role == DG_ROLE_LAUNCHER ? HURRY : 0;
		dg_master_drive(c, DG_EV_HURRY);
	}
	dg_ending_next(m);
}

void
dg_ending_begin(struct dg_master *m, enum dg_stop_why why)
{
	static const char *const names[] = {
		[DG_STOP_TERM] = "SIGTERM",
		[DG_STOP_INT] = "SIGINT",
		[DG_STOP_RESTART] = "dagletctl restart",
	};
	struct dg_ending *d = &m->ending;
	dg_usec limit =
		(dg_usec)dg_settings_int(m->settings, "daglet.drain_timeout") * DG_SEC;

	if (d->under_way) {
		if (why != DG_STOP_RESTART)
			hurry(m);
		return;
	}
	*d = (struct dg_ending){
		.under_way = true,
		.restart = why == DG_STOP_RESTART,
		.why = why,
		.step = -1,
		.deadline = dg_now() + limit,
		.idle = m->draining.state == DG_DRAIN_DONE,
		.left = -1,
	};
	dg_log(LOG_NOTICE,
		"%s: no more work is taken, what is under way gets %llu seconds",
		names[why], (unsigned long long)(limit / DG_SEC));
	if (d->restart) /* to systemd it is the same service all the time */
		(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Restarting",
			(unsigned long long)dg_now());
	else
		(void)sd_notifyf(0,
			"STOPPING=1\nSTATUS=Stopping in order\nEXTEND_TIMEOUT_USEC=%llu",
			(unsigned long long)(limit + AFTERWARDS));
	ask(m);
	dg_ending_next(m);
	dg_master_tick_soon(m);
}
