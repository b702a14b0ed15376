/* launcher/health.c: see health.h. */
#include "launcher/health.h"

#define WORK_PERCENT 20
#define PING_MIN DG_SEC
#define PING_MAX (10 * DG_SEC)
/* Pings that go unanswered before the shortest limit is over. */
#define PINGS 3

static bool
over(dg_usec time, dg_usec limit)
{
	return limit && time >= limit;
}

enum dg_health
dg_health_judge(const struct dg_health_facts *f, const struct dg_health_limits *l)
{
	if (f->stopped)
		return over(f->silent, l->gone) ? DG_HEALTH_STOPPED : DG_HEALTH_WAIT;
	if (f->refused)
		return over(f->silent, l->gone) ? DG_HEALTH_UNREACHABLE : DG_HEALTH_WAIT;
	if (f->seen && over(f->idle, l->stuck))
		return DG_HEALTH_STUCK;
	return over(f->silent, l->busy) ? DG_HEALTH_BUSY : DG_HEALTH_WAIT;
}

bool
dg_health_works(dg_usec used, dg_usec span)
{
	return span && used * 100 >= span * WORK_PERCENT;
}

dg_usec
dg_health_ping_timeout(const struct dg_health_limits *l)
{
	dg_usec least = PING_MAX * PINGS;

	if (l->gone && l->gone < least)
		least = l->gone;
	if (l->stuck && l->stuck < least)
		least = l->stuck;
	if (l->busy && l->busy < least)
		least = l->busy;
	least /= PINGS;
	return least < PING_MIN ? PING_MIN : least;
}
