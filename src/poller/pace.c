/* poller/pace.c: see pace.h. */
#include "poller/pace.h"

void
dg_pace_init(struct dg_pace *p, dg_usec idle, unsigned max)
{
	*p = (struct dg_pace){.idle = idle, .max = max, .window = 1};
}

unsigned
dg_pace_may(const struct dg_pace *p, dg_usec now)
{
	unsigned busy = p->in_flight - p->silent;

	return now >= p->next && !p->closed && busy < p->window ? p->window - busy : 0;
}

dg_usec
dg_pace_next(const struct dg_pace *p)
{
	return !p->closed && p->in_flight - p->silent < p->window ? p->next
								  : DG_USEC_NEVER;
}

dg_usec
dg_pace_patience(dg_usec timeout)
{
	dg_usec share = timeout / DG_PACE_SILENT_SHARE;

	return share > DG_PACE_SILENT ? share : DG_PACE_SILENT;
}

void
dg_pace_silence(struct dg_pace *p)
{
	p->silent++;
	p->troubles++;
	p->window = 1;
	p->closed = true;
}

void
dg_pace_open(struct dg_pace *p, dg_usec now)
{
	p->closed = false;
	p->next = now;
}

void
dg_pace_heard(struct dg_pace *p)
{
	p->silent--;
	p->closed = false;
}

void
dg_pace_began(struct dg_pace *p)
{
	p->in_flight++;
}

static dg_usec
trouble_interval(const struct dg_pace *p, uint32_t random)
{
	dg_usec least = p->idle > 100 * DG_MSEC ? p->idle : 100 * DG_MSEC, wait = least;

	for (unsigned i = 1; i < p->troubles && wait < DG_PACE_TROUBLE_MAX; i++)
		wait *= 2;
	if (wait > DG_PACE_TROUBLE_MAX)
		wait = DG_PACE_TROUBLE_MAX > least ? DG_PACE_TROUBLE_MAX : least;
	/* between three quarters and all of it, but never less than the interval */
	wait -= wait / 4 * (random >> 16) / 65536;
	return wait < p->idle ? p->idle : wait;
}

/* Twice as many as now, but no more than the rate takes at this distance. */
static unsigned
more(const struct dg_pace *p, dg_usec took)
{
	dg_usec enough = took * DG_PACE_RATE / DG_SEC + 1;
	dg_usec n = (dg_usec)p->window * 2;

	n = n < enough ? n : enough;
	return n < p->max ? (unsigned)n : p->max;
}

void
dg_pace_ended(struct dg_pace *p, dg_usec now, enum dg_pace_end how, dg_usec took,
	dg_usec asked, uint32_t random)
{
	dg_usec wait = 0;

	p->in_flight--;
	if (how == DG_PACE_LOST) {
		p->silent--;
		return;
	}
	if (how == DG_PACE_TROUBLE) {
		p->troubles++;
		p->window = 1;
		wait = asked ? asked : trouble_interval(p, random);
		if (now + wait > p->next)
			p->next = now + wait;
		return;
	}
	p->closed = false;
	p->troubles = 0;
	p->window = how == DG_PACE_FULL ? more(p, took) : 1;
	if (how == DG_PACE_EMPTY)
		wait = now < p->warm && DG_PACE_QUICK < p->idle ? DG_PACE_QUICK : p->idle;
	else
		p->warm = now + DG_PACE_WARM;
	p->next = now + wait;
}
