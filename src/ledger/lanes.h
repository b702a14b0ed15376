/* ledger/lanes.h: which request is handed to the launcher next. Pure.
 *
 * One lane per (deployment, location); requests without a location share their
 * deployment's lane. Inside a lane the order is that of popping; between lanes it goes
 * round. A lane holds at most DG_LOCATION_CREDIT in flight, all together at most
 * DG_LAUNCHER_CREDIT, so that no location can use up what the others need.
 */
#ifndef DG_LEDGER_LANES_H
#define DG_LEDGER_LANES_H

#include <stddef.h>
#include <sys/queue.h>

#include "base/map.h"

struct dg_laneq;

/* Embedded in what is queued. */
struct dg_lane_item {
	TAILQ_ENTRY(dg_lane_item) entry;
	struct dg_laneq *lane; /* NULL: neither waiting nor in flight */
	int in_flight;
};

TAILQ_HEAD(dg_lane_items, dg_lane_item);
TAILQ_HEAD(dg_lane_ring, dg_laneq);

struct dg_lanes {
	struct dg_map by_key;
	struct dg_lane_ring ring; /* lanes with something waiting, in turn */
	size_t waiting, in_flight, credit, lane_credit;
};

void dg_lanes_init(struct dg_lanes *l, size_t credit, size_t lane_credit);
void dg_lanes_clear(struct dg_lanes *l); /* the items are the caller's */

/* Queue behind the others of its lane. */
void dg_lanes_add(struct dg_lanes *l, struct dg_lane_item *it, struct dg_str deployment,
	struct dg_str location);
/* The next one, now in flight; NULL when nothing may go. */
struct dg_lane_item *dg_lanes_next(struct dg_lanes *l);
/* Out of the lane, wherever it is; its credit comes back. */
void dg_lanes_done(struct dg_lanes *l, struct dg_lane_item *it);

#endif
