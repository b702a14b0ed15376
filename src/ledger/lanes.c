/* ledger/lanes.c: see lanes.h. */
#include "ledger/lanes.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

struct dg_laneq {
	TAILQ_ENTRY(dg_laneq) entry; /* in the ring, while something waits and may go */
	struct dg_lane_items items;
	size_t waiting, in_flight;
	bool in_ring;
	size_t n;
	char key[];
};

void
dg_lanes_init(struct dg_lanes *l, size_t credit, size_t lane_credit)
{
	*l = (struct dg_lanes){
		.by_key = DG_MAP_INIT, .credit = credit, .lane_credit = lane_credit};
	TAILQ_INIT(&l->ring);
}

void
dg_lanes_clear(struct dg_lanes *l)
{
	DG_MAP_EACH(&l->by_key, s)
	free(s->value);
	dg_map_clear(&l->by_key);
}

static void
settle(struct dg_lanes *l, struct dg_laneq *lane)
{
	bool may = lane->waiting && lane->in_flight < l->lane_credit;

	if (may && !lane->in_ring)
		TAILQ_INSERT_TAIL(&l->ring, lane, entry);
	else if (!may && lane->in_ring)
		TAILQ_REMOVE(&l->ring, lane, entry);
	lane->in_ring = may;
	if (!lane->waiting && !lane->in_flight) {
		dg_map_del(&l->by_key, dg_strn(lane->key, lane->n));
		free(lane);
	}
}

void
dg_lanes_add(struct dg_lanes *l, struct dg_lane_item *it, struct dg_str deployment,
	struct dg_str location)
{
	auto_buf key = DG_BUF_INIT;
	struct dg_laneq *lane;

	DG_ASSERT(!it->lane);
	dg_buf_addstr(&key, deployment);
	dg_buf_addc(&key, '\0'); /* a-b + c is not a + b-c */
	dg_buf_addstr(&key, location);
	lane = dg_map_get(&l->by_key, dg_buf_str(&key));
	if (!lane) {
		lane = dg_xcalloc(1, sizeof *lane + key.n + 1);
		TAILQ_INIT(&lane->items);
		lane->n = key.n;
		memcpy(lane->key, key.p, key.n);
		dg_map_put(&l->by_key, dg_buf_str(&key), lane);
	}
	TAILQ_INSERT_TAIL(&lane->items, it, entry);
	it->lane = lane;
	it->in_flight = 0;
	lane->waiting++;
	l->waiting++;
	settle(l, lane);
}

struct dg_lane_item *
dg_lanes_next(struct dg_lanes *l)
{
	struct dg_laneq *lane = TAILQ_FIRST(&l->ring);
	struct dg_lane_item *it;

	if (!lane || l->in_flight >= l->credit)
		return NULL;
	it = TAILQ_FIRST(&lane->items);
	TAILQ_REMOVE(&lane->items, it, entry);
	it->in_flight = 1;
	lane->waiting--;
	lane->in_flight++;
	l->waiting--;
	l->in_flight++;
	TAILQ_REMOVE(&l->ring, lane, entry); /* to the end of the turn */
	lane->in_ring = false;
	settle(l, lane);
	return it;
}

void
dg_lanes_done(struct dg_lanes *l, struct dg_lane_item *it)
{
	struct dg_laneq *lane = it->lane;

	if (!lane)
		return;
	if (it->in_flight) {
		lane->in_flight--;
		l->in_flight--;
	} else {
		TAILQ_REMOVE(&lane->items, it, entry);
		lane->waiting--;
		l->waiting--;
	}
	it->lane = NULL;
	it->in_flight = 0;
	settle(l, lane);
}
