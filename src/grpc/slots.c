/* grpc/slots.c: see slots.h. */
#include "grpc/slots.h"

#include <string.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/mem.h"

#define ZOMBIE_MAX (10 * DG_MINUTE)
#define SICK_AFTER DG_MINUTE

/* The lanes in the order of their turn. */
static const enum dg_lane lanes[] = {DG_LANE_RUN, DG_LANE_QUERY, DG_LANE_TICK};

struct entry {
	TAILQ_ENTRY(entry) link;
	void *item;
	dg_usec expires;
};
TAILQ_HEAD(entries, entry);

struct dg_slots {
	unsigned slots;
	unsigned running[DG_LANE_RUN + 1];
	struct entries waiting[DG_LANE_RUN + 1];
	size_t count;
	unsigned turn;    /* index into lanes of who is asked first */
	dg_usec *zombies; /* since when, oldest first */
	unsigned zombie_n, zombie_cap;
	dg_usec half_since; /* 0: fewer than half */
	dg_usec sick_after;
};

static unsigned
slots_of(unsigned pool)
{
	return pool > 1 ? pool - 1 : 1;
}

struct dg_slots *
dg_slots_new(unsigned pool)
{
	struct dg_slots *s = dg_new(struct dg_slots);

	s->slots = slots_of(pool);
	s->sick_after = SICK_AFTER;
	for (size_t i = 0; i < DG_N(lanes); i++)
		TAILQ_INIT(&s->waiting[lanes[i]]);
	return s;
}

static void
drop(struct dg_slots *s, enum dg_lane lane, struct entry *w)
{
	TAILQ_REMOVE(&s->waiting[lane], w, link);
	s->count--;
	free(w);
}

void
dg_slots_free(struct dg_slots *s)
{
	struct entry *w;

	if (!s)
		return;
	for (size_t i = 0; i < DG_N(lanes); i++)
		while ((w = TAILQ_FIRST(&s->waiting[lanes[i]])))
			drop(s, lanes[i], w);
	free(s->zombies);
	free(s);
}

void
dg_slots_freep(struct dg_slots **s)
{
	dg_slots_free(*s);
	*s = NULL;
}

void
dg_slots_set_pool(struct dg_slots *s, unsigned pool)
{
	s->slots = slots_of(pool);
}

void
dg_slots_set_sick(struct dg_slots *s, dg_usec after)
{
	s->sick_after = after;
}

unsigned
dg_slots_default_pool(unsigned cpus)
{
	return cpus + 4 < 32 ? cpus + 4 : 32;
}

void
dg_slots_put(struct dg_slots *s, enum dg_lane lane, void *item, dg_usec expires)
{
	struct entry *w = dg_new(struct entry);

	DG_ASSERT(lane >= DG_LANE_QUERY && lane <= DG_LANE_RUN);
	w->item = item;
	w->expires = expires;
	TAILQ_INSERT_TAIL(&s->waiting[lane], w, link);
	s->count++;
}

bool
dg_slots_remove(struct dg_slots *s, const void *item)
{
	struct entry *w;

	for (size_t i = 0; i < DG_N(lanes); i++)
		TAILQ_FOREACH (w, &s->waiting[lanes[i]], link)
			if (w->item == item) {
				drop(s, lanes[i], w);
				return true;
			}
	return false;
}

static unsigned
running(const struct dg_slots *s)
{
	return s->running[DG_LANE_QUERY] + s->running[DG_LANE_TICK] +
	       s->running[DG_LANE_RUN];
}

/* May one more of LANE go? Zombies are counted as ticks would be: what they leave to
 * queries is the one slot. */
static bool
room(const struct dg_slots *s, enum dg_lane lane)
{
	unsigned ticks = s->slots > 1 ? s->slots - 1 : 1;

	if (running(s) + s->zombie_n >= s->slots)
		return false;
	return lane != DG_LANE_TICK || s->running[DG_LANE_TICK] + s->zombie_n < ticks;
}

static void
half_check(struct dg_slots *s, dg_usec now)
{
	if (!s->zombie_n || 2 * s->zombie_n < s->slots)
		s->half_since = 0;
	else if (!s->half_since)
		s->half_since = now;
}

static void
forget_oldest(struct dg_slots *s, unsigned n, dg_usec now)
{
	s->zombie_n -= n;
	memmove(s->zombies, s->zombies + n, s->zombie_n * sizeof *s->zombies);
	half_check(s, now);
}

static void
forget_aged(struct dg_slots *s, dg_usec now)
{
	unsigned n = 0;

	while (n < s->zombie_n && now >= s->zombies[n] + ZOMBIE_MAX)
		n++;
	if (n)
		forget_oldest(s, n, now);
}

enum dg_slots_took
dg_slots_take(struct dg_slots *s, dg_usec now, void **item)
{
	forget_aged(s, now);
	for (size_t i = 0; i < DG_N(lanes); i++) {
		unsigned at = (s->turn + (unsigned)i) % DG_N(lanes);
		enum dg_lane lane = lanes[at];
		struct entry *w = TAILQ_FIRST(&s->waiting[lane]);
		bool expired;

		if (!w)
			continue;
		expired = now >= w->expires;
		if (!expired && !room(s, lane))
			continue;
		*item = w->item;
		drop(s, lane, w);
		if (expired)
			return DG_SLOTS_EXPIRED;
		s->running[lane]++;
		s->turn = (at + 1) % DG_N(lanes);
		return DG_SLOTS_GO;
	}
	return DG_SLOTS_NONE;
}

void
dg_slots_done(struct dg_slots *s, enum dg_lane lane)
{
	DG_ASSERT(s->running[lane]);
	s->running[lane]--;
}

void
dg_slots_gave_up(struct dg_slots *s, enum dg_lane lane, dg_usec now)
{
	dg_slots_done(s, lane);
	if (s->zombie_n == s->zombie_cap) {
		s->zombie_cap = s->zombie_cap ? 2 * s->zombie_cap : 8;
		s->zombies = dg_xrealloc(s->zombies, s->zombie_cap, sizeof *s->zombies);
	}
	s->zombies[s->zombie_n++] = now;
	half_check(s, now);
}

void
dg_slots_seen(struct dg_slots *s, unsigned seen, dg_usec now)
{
	unsigned live = running(s), left = seen > live ? seen - live : 0;

	if (left < s->zombie_n)
		forget_oldest(s, s->zombie_n - left, now);
}

bool
dg_slots_sick(struct dg_slots *s, dg_usec now)
{
	forget_aged(s, now);
	half_check(s, now);
	return s->half_since && s->sick_after && now >= s->half_since + s->sick_after;
}

dg_usec
dg_slots_next(const struct dg_slots *s)
{
	dg_usec next = s->zombie_n ? s->zombies[0] + ZOMBIE_MAX : DG_USEC_NEVER;

	if (s->half_since && s->sick_after && s->half_since + s->sick_after < next)
		next = s->half_since + s->sick_after;
	/* Expiries are not in order within a lane: the first of each is what take() sees.
	 */
	for (size_t i = 0; i < DG_N(lanes); i++) {
		const struct entry *w = TAILQ_FIRST(&s->waiting[lanes[i]]);

		if (w && w->expires < next)
			next = w->expires;
	}
	return next;
}

struct dg_slots_count
dg_slots_count(const struct dg_slots *s)
{
	return (struct dg_slots_count){s->slots, running(s), s->zombie_n, s->count};
}
