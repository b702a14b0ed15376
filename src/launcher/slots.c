/* launcher/slots.c: see slots.h. */
#include "launcher/slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
dg_slots_init(struct dg_slots *s, unsigned pool)
{
	if (pool > DG_SLOTS_MAX)
		pool = DG_SLOTS_MAX;
	*s = (struct dg_slots){.total = pool > 2 ? pool - 1 : 1};
	for (size_t i = 0; i < DG_N(s->queue); i++)
		TAILQ_INIT(&s->queue[i]);
	s->zombies = dg_xcalloc(s->total, sizeof(*s->zombies));
}

void
dg_slots_clear(struct dg_slots *s)
{
	free(s->zombies);
	s->zombies = NULL;
	s->nzombies = 0;
}

void
dg_slots_wait(struct dg_slots *s, struct dg_slot_wait *w, enum dg_lane lane)
{
	w->lane = lane;
	w->seq = ++s->seq;
	w->queued = true;
	TAILQ_INSERT_TAIL(&s->queue[lane], w, link);
	s->waiting++;
}

void
dg_slots_leave(struct dg_slots *s, struct dg_slot_wait *w)
{
	if (!w->queued)
		return;
	TAILQ_REMOVE(&s->queue[w->lane], w, link);
	w->queued = false;
	s->waiting--;
}

struct dg_slot_wait *
dg_slots_next(struct dg_slots *s)
{
	struct dg_slot_wait *run = TAILQ_FIRST(&s->queue[DG_LANE_RUN]);
	struct dg_slot_wait *query = TAILQ_FIRST(&s->queue[DG_LANE_QUERY]);
	struct dg_slot_wait *tick = TAILQ_FIRST(&s->queue[DG_LANE_TICK]), *w;

	if (s->busy + s->nzombies >= s->total)
		return NULL;
	if (s->total > 1 && s->ticks + 1 >= s->total)
		tick = NULL;
	if (run)
		w = run;
	else if (query && tick)
		w = query->seq < tick->seq ? query : tick;
	else
		w = query ? query : tick;
	if (!w)
		return NULL;
	dg_slots_leave(s, w);
	s->busy++;
	s->ticks += w->lane == DG_LANE_TICK;
	return w;
}

static void
mark(struct dg_slots *s, dg_usec now)
{
	if (s->nzombies == 0 || s->nzombies * 2 < s->total)
		s->clogged = 0;
	else if (!s->clogged)
		s->clogged = now;
}

void
dg_slots_done(struct dg_slots *s, enum dg_lane lane, bool zombie, dg_usec now)
{
	if (s->busy)
		s->busy--;
	if (lane == DG_LANE_TICK && s->ticks)
		s->ticks--;
	if (zombie && s->nzombies < s->total)
		s->zombies[s->nzombies++] = now;
	mark(s, now);
}

static void
bury(struct dg_slots *s, unsigned n, dg_usec now)
{
	memmove(s->zombies, s->zombies + n, (s->nzombies - n) * sizeof(*s->zombies));
	s->nzombies -= n;
	mark(s, now);
}

void
dg_slots_shown(struct dg_slots *s, unsigned running, dg_usec now)
{
	unsigned held = s->busy + s->nzombies;

	if (running < held)
		bury(s, held - running < s->nzombies ? held - running : s->nzombies, now);
}

bool
dg_slots_expire(struct dg_slots *s, dg_usec now)
{
	unsigned n = 0;

	while (n < s->nzombies && now - s->zombies[n] >= DG_ZOMBIE_LIFE)
		n++;
	if (n)
		bury(s, n, now);
	return s->clogged && now - s->clogged >= DG_CLOGGED_FOR;
}
