/* poller/pace.c: see pace.h. */
#include "poller/pace.h"

#include "daglet/limits.h"

void
dg_pace_init(struct dg_pace *p, dg_usec interval, dg_usec now)
{
	*p = (struct dg_pace){.interval = interval, .target = 1, .next = now};
}

bool
dg_pace_may(const struct dg_pace *p, dg_usec now)
{
	return p->in_flight < p->target && now >= p->next;
}

void
dg_pace_started(struct dg_pace *p, dg_usec now)
{
	p->in_flight++;
	p->last_start = now;
}

void
dg_pace_popped(struct dg_pace *p, size_t count, dg_usec now)
{
	bool awake = p->last_work && now - p->last_work < DG_PACE_AWAKE;
	dg_usec wait;

	p->in_flight--;
	p->failures = 0;
	if (count >= DG_POP_FULL) {
		p->target = p->target * 2 < DG_POPS_MAX ? p->target * 2 : DG_POPS_MAX;
	} else if (count) {
		p->target = p->target > 2 ? p->target / 2 : 1;
	} else {
		p->target = 1;
	}
	if (count) {
		p->last_work = now;
		p->next = now;
		return;
	}
	if (p->in_flight) { /* the others tell more */
		p->next = now;
		return;
	}
	/* The interval runs from the answer, as the Python agent's sleep does. */
	wait = awake && p->interval > DG_PACE_FAST ? DG_PACE_FAST : p->interval;
	p->next = now + wait;
}

void
dg_pace_failed(struct dg_pace *p, dg_usec asked, uint32_t random, dg_usec now)
{
	dg_usec wait = p->interval;

	p->in_flight--;
	p->target = 1;
	for (unsigned i = 0; i < p->failures && wait < DG_PACE_TROUBLE; i++)
		wait *= 2;
	if (wait > DG_PACE_TROUBLE)
		wait = DG_PACE_TROUBLE;
	p->failures++;
	/* Half of it is certain, so that nobody hammers; the other half is jitter. */
	wait = wait / 2 + wait / 2 * (random & 0xffff) / 0xffff;
	if (asked > wait)
		wait = asked;
	p->next = now + wait;
}
