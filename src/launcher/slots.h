/* launcher/slots.h: how many calls a code server gets at once, and which is next. Pure.
 *
 * A code server has few threads, shared with its own Ping and Heartbeat, so at most
 * pool - 1 calls are under way; Ping and Heartbeat stand outside. Calls wait in the order
 * of their coming, with two exceptions: launches and terminations go first, and ticks
 * (sensors, schedules) never take the last slot, which stays for queries. A call that
 * timed out goes on in the server: its slot is a zombie until the server shows that the
 * thread is free, or ten minutes pass.
 */
#ifndef DG_LAUNCHER_SLOTS_H
#define DG_LAUNCHER_SLOTS_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/time.h"
#include "daglet/request.h"

#define DG_SLOTS_MAX 1024
#define DG_ZOMBIE_LIFE (600 * DG_SEC)
#define DG_CLOGGED_FOR (60 * DG_SEC)

struct dg_slot_wait {
	TAILQ_ENTRY(dg_slot_wait) link;
	enum dg_lane lane;
	unsigned long long seq;
	bool queued;
};

TAILQ_HEAD(dg_slot_queue, dg_slot_wait);

struct dg_slots {
	unsigned total, busy, ticks, waiting;
	unsigned long long seq;
	struct dg_slot_queue queue[4]; /* by enum dg_lane */
	dg_usec *zombies;              /* when each became one, oldest first */
	unsigned nzombies;
	dg_usec clogged; /* half of the slots are zombies since; 0: no */
};

void dg_slots_init(struct dg_slots *s, unsigned pool);
void dg_slots_clear(struct dg_slots *s);
/* Wait for a slot; LANE is one of QUERY, TICK, RUN. */
void dg_slots_wait(struct dg_slots *s, struct dg_slot_wait *w, enum dg_lane lane);
void dg_slots_leave(struct dg_slots *s, struct dg_slot_wait *w);
/* The next that may go: it has a slot and waits no more. NULL: nobody. */
struct dg_slot_wait *dg_slots_next(struct dg_slots *s);
/* A call is over; ZOMBIE: it timed out or was cancelled. */
void dg_slots_done(struct dg_slots *s, enum dg_lane lane, bool zombie, dg_usec now);
/* The server says that it works on RUNNING calls (Ping metrics): zombies beyond are gone.
 */
void dg_slots_shown(struct dg_slots *s, unsigned running, dg_usec now);
/* Forget zombies that are too old. True: clogged for too long, replace the server. */
bool dg_slots_expire(struct dg_slots *s, dg_usec now);

#endif
