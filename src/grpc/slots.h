/* grpc/slots.h: who may call a code server now, and who waits. Pure: a clock is passed
 * in.
 *
 * A code server has a few threads (its pool), and Ping and Heartbeat need one of them
 * too: with all of them taken, a healthy server shuts itself down for want of heartbeats.
 * So at most pool - 1 calls are in flight, of which all but one may be ticks, so that a
 * query is never behind sensors only. Ping, Heartbeat and ListRepositories stand outside.
 *
 * A call that timed out or was given up leaves its thread at work: a zombie, which keeps
 * its slot until the server's metrics show the thread free, or for ten minutes. When half
 * of the slots have been zombies for a minute (or what the caller says) the server wants
 * replacing.
 *
 * Within a lane first come is first served; between lanes the turn goes round. Items are
 * the caller's pointers, never looked into.
 */
#ifndef DG_GRPC_SLOTS_H
#define DG_GRPC_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/time.h"
#include "daglet/request.h"

struct dg_slots;

/* POOL: the server's threads, at least 1 (2 to be of use). */
struct dg_slots *dg_slots_new(unsigned pool);
void dg_slots_free(struct dg_slots *s); /* forgets what waits */
void dg_slots_freep(struct dg_slots **s);
void dg_slots_set_pool(struct dg_slots *s, unsigned pool);
/* Half of them zombies for so long: sick; 0 is never. */
void dg_slots_set_sick(struct dg_slots *s, dg_usec after);
/* The threads of a server that was not told how many: Python's min(32, cpus + 4). */
unsigned dg_slots_default_pool(unsigned cpus);

/* Wait in LANE (QUERY, TICK or RUN). EXPIRES: monotonic, DG_USEC_NEVER for never. */
void dg_slots_put(struct dg_slots *s, enum dg_lane lane, void *item, dg_usec expires);
/* No longer wait. False when ITEM was not waiting. */
bool dg_slots_remove(struct dg_slots *s, const void *item);

enum dg_slots_took {
	DG_SLOTS_NONE,    /* nothing may go now */
	DG_SLOTS_GO,      /* ITEM has a slot; dg_slots_done() or _gave_up() ends it */
	DG_SLOTS_EXPIRED, /* ITEM waited too long; it has no slot */
};
/* Call until NONE, after every change. */
enum dg_slots_took dg_slots_take(struct dg_slots *s, dg_usec now, void **item);

/* The call came to its end and the thread is free. */
void dg_slots_done(struct dg_slots *s, enum dg_lane lane);
/* The call was cancelled or timed out: its thread may go on. */
void dg_slots_gave_up(struct dg_slots *s, enum dg_lane lane, dg_usec now);
/* The server's metrics say so many requests are being run (the Ping that asked not
 * counted): the oldest zombies beyond that are gone. */
void dg_slots_seen(struct dg_slots *s, unsigned running, dg_usec now);

/* Half of the slots have been zombies for too long. */
bool dg_slots_sick(struct dg_slots *s, dg_usec now);
/* When to call dg_slots_take() and dg_slots_sick() again, if nothing else happens. */
dg_usec dg_slots_next(const struct dg_slots *s);

/* For status and metrics. */
struct dg_slots_count {
	unsigned slots, running, zombies;
	size_t waiting;
};
struct dg_slots_count dg_slots_count(const struct dg_slots *s);

#endif
