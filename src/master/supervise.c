/* master/supervise.c: see supervise.h. */
#include "master/supervise.h"

#include "base/mem.h"

/* A role must be back within a second of its death, a standing one replaced within ten.
 */
const struct dg_child_times dg_child_times = {
	.hello = 10 * DG_SEC,
	.ready = 60 * DG_SEC, /* the ledger reads its store */
	.stall = 7 * DG_SEC,
	.quiesce = 30 * DG_SEC,
	.end = 3 * DG_SEC,
	.good_age = 10 * DG_SEC,
};

#define BACKOFF_MIN (20 * DG_MSEC)
#define BACKOFF_MAX_BEFORE (30 * DG_SEC)
#define BACKOFF_MAX_AFTER (250 * DG_MSEC)
/* A pause of our own (the machine slept, or everything was stopped) is nobody's fault. */
#define OWN_PAUSE (3 * DG_SEC)

void
dg_supervise_init(struct dg_supervised *c, dg_usec now)
{
	*c = (struct dg_supervised){.state = DG_CHILD_BACKOFF,
		.deadline = now,
		.since = now,
		.wanted = true,
		.last_tick = now};
	dg_backoff_init(&c->before_ready, BACKOFF_MIN, BACKOFF_MAX_BEFORE);
	dg_backoff_init(&c->after_ready, BACKOFF_MIN, BACKOFF_MAX_AFTER);
}

static enum dg_child_action
enter(struct dg_supervised *c, enum dg_child_state s, dg_usec deadline, dg_usec now,
	enum dg_child_action a)
{
	c->state = s;
	c->since = now;
	c->deadline = deadline;
	return a;
}

static enum dg_child_action
ended(struct dg_supervised *c, enum dg_child_event ev, const struct dg_child_times *t,
	dg_usec now)
{
	bool was_ready = c->state == DG_CHILD_READY;
	dg_usec wait;

	if (!c->wanted)
		return enter(c, DG_CHILD_GONE, DG_USEC_NEVER, now, DG_DO_NOTHING);
	if (c->renew) {
		c->renew = false;
		return enter(c, DG_CHILD_BACKOFF, now, now, DG_DO_NOTHING);
	}
	if (ev == DG_EV_EXIT_CONFIG)
		return enter(c, DG_CHILD_PARKED, DG_USEC_NEVER, now, DG_DO_NOTHING);
	if (was_ready && now - c->since >= t->good_age)
		dg_backoff_reset(&c->after_ready);
	wait = was_ready ? dg_backoff_fail(&c->after_ready)
			 : dg_backoff_fail(&c->before_ready);
	c->restarts++;
	return enter(c, DG_CHILD_BACKOFF, now + wait, now, DG_DO_NOTHING);
}

static enum dg_child_action
kill_it(struct dg_supervised *c, dg_usec now)
{
	/* It counts as a death before READY when it stood still: `since` stays honest in
	 * `ended` because KILLED is not READY. */
	return enter(c, DG_CHILD_KILLED, DG_USEC_NEVER, now, DG_DO_KILL);
}

static enum dg_child_action
tick(struct dg_supervised *c, const struct dg_child_times *t, dg_usec now)
{
	dg_usec gap = now - c->last_tick;

	c->last_tick = now;
	if (gap >
		OWN_PAUSE) { /* we ourselves stood still: everybody gets the time back */
		c->pulse += gap;
		if (c->deadline != DG_USEC_NEVER && c->state != DG_CHILD_BACKOFF)
			c->deadline += gap;
	}
	if (c->state == DG_CHILD_READY || c->state == DG_CHILD_QUIESCING)
		if (now > c->pulse && now - c->pulse > t->stall)
			return kill_it(c, now);
	if (now < c->deadline)
		return DG_DO_NOTHING;
	switch (c->state) {
	case DG_CHILD_BACKOFF:
		return c->wanted ? DG_DO_SPAWN : DG_DO_NOTHING;
	case DG_CHILD_STARTING:
	case DG_CHILD_CONFIGURING:
	case DG_CHILD_ENDING:
		return kill_it(c, now);
	case DG_CHILD_QUIESCING:
		return enter(c, DG_CHILD_ENDING, now + t->end, now, DG_DO_HANG_UP);
	default:
		return DG_DO_NOTHING;
	}
}

static bool
runs(const struct dg_supervised *c)
{
	return c->state >= DG_CHILD_STARTING && c->state <= DG_CHILD_KILLED;
}

static enum dg_child_action
quiesce(struct dg_supervised *c, const struct dg_child_times *t, dg_usec now)
{
	dg_usec limit = c->quiesce ? c->quiesce : t->quiesce;

	return enter(c, DG_CHILD_QUIESCING, now + limit, now, DG_DO_QUIESCE);
}

/* It is not needed any more. */
static enum dg_child_action
end(struct dg_supervised *c, const struct dg_child_times *t, dg_usec now)
{
	bool renewed = c->wanted && c->renew;

	c->wanted = false;
	switch (c->state) {
	case DG_CHILD_READY:
		return quiesce(c, t, now);
	case DG_CHILD_QUIESCING: /* for a restart until now: the end is another matter */
		return renewed ? quiesce(c, t, now) : DG_DO_NOTHING;
	case DG_CHILD_STARTING:
	case DG_CHILD_CONFIGURING:
		return enter(c, DG_CHILD_ENDING, now + t->end, now, DG_DO_HANG_UP);
	default:
		return runs(c) ? DG_DO_NOTHING
			       : enter(c, DG_CHILD_GONE, DG_USEC_NEVER, now,
					 DG_DO_NOTHING);
	}
}

static enum dg_child_action
restart(struct dg_supervised *c, const struct dg_child_times *t, dg_usec now)
{
	if (!c->wanted)
		return DG_DO_NOTHING;
	switch (c->state) {
	case DG_CHILD_READY:
		c->renew = true;
		return quiesce(c, t, now);
	case DG_CHILD_STARTING:
	case DG_CHILD_CONFIGURING:
		c->renew = true;
		return enter(c, DG_CHILD_ENDING, now + t->end, now, DG_DO_HANG_UP);
	case DG_CHILD_PARKED:
		return enter(c, DG_CHILD_BACKOFF, now, now, DG_DO_NOTHING);
	default: /* it comes back anyway */
		return DG_DO_NOTHING;
	}
}

static enum dg_child_action
hurry(struct dg_supervised *c, const struct dg_child_times *t, dg_usec now)
{
	c->wanted = false;
	if (c->quiesce && (c->state == DG_CHILD_READY || c->state == DG_CHILD_QUIESCING))
		return quiesce(c, t, now);
	if (runs(c))
		return c->state == DG_CHILD_KILLED ? DG_DO_NOTHING : kill_it(c, now);
	return enter(c, DG_CHILD_GONE, DG_USEC_NEVER, now, DG_DO_NOTHING);
}

enum dg_child_action
dg_supervise(struct dg_supervised *c, enum dg_child_event ev,
	const struct dg_child_times *t, dg_usec now)
{
	switch (ev) {
	case DG_EV_TICK:
		return tick(c, t, now);
	case DG_EV_SPAWNED:
		c->pulse = now;
		return enter(c, DG_CHILD_STARTING, now + t->hello, now, DG_DO_NOTHING);
	case DG_EV_SPAWN_FAILED:
		return ended(c, DG_EV_EXIT, t, now);
	case DG_EV_HELLO:
		if (c->state != DG_CHILD_STARTING)
			return runs(c) ? kill_it(c, now) : DG_DO_NOTHING;
		return enter(c, DG_CHILD_CONFIGURING, now + t->ready, now, DG_DO_NOTHING);
	case DG_EV_READY:
		if (c->state != DG_CHILD_CONFIGURING)
			return DG_DO_NOTHING;
		c->pulse = now;
		dg_backoff_reset(&c->before_ready);
		return enter(c, DG_CHILD_READY, DG_USEC_NEVER, now, DG_DO_NOTHING);
	case DG_EV_PULSE:
		c->pulse = now;
		return DG_DO_NOTHING;
	case DG_EV_MISBEHAVED:
		return runs(c) && c->state != DG_CHILD_KILLED ? kill_it(c, now)
							      : DG_DO_NOTHING;
	case DG_EV_EXIT:
	case DG_EV_EXIT_CONFIG:
		return ended(c, ev, t, now);
	case DG_EV_QUIESCE:
		return end(c, t, now);
	case DG_EV_RESTART:
		return restart(c, t, now);
	case DG_EV_HURRY:
		return hurry(c, t, now);
	case DG_EV_DRAINED:
		if (c->state != DG_CHILD_QUIESCING)
			return DG_DO_NOTHING;
		return enter(c, DG_CHILD_ENDING, now + t->end, now, DG_DO_HANG_UP);
	case DG_EV_RELOAD:
		if (c->state == DG_CHILD_PARKED)
			return enter(c, DG_CHILD_BACKOFF, now, now, DG_DO_NOTHING);
		return DG_DO_NOTHING;
	}
	return DG_DO_NOTHING;
}

const char *
dg_child_state_name(enum dg_child_state s)
{
	static const char *const names[] = {"waiting", "starting", "configuring", "ready",
		"quiescing", "ending", "killed", "parked", "gone"};

	return (unsigned)s < DG_N(names) ? names[s] : "?";
}
