/* master/supervise.h: when a role is started, given up, replaced and stopped. Pure.
 *
 *            start          HELLO              READY              exit
 *   BACKOFF -------> STARTING ----> CONFIGURING ----> READY -------------> BACKOFF
 *      ^                 | limit: kill   | limit: kill  | stands still: kill   (wait
 * doubles; |                 v               v              |                       from
 * the start
 *      +------------- exit <-------------+              | quiesce               after a
 * good age) | code 78: PARKED until reload   v QUIESCING --drained or limit--> ENDING
 * --limit--> KILLED
 *
 * One table-like function: (child, event, now) -> what to do. Who calls it owns
 * processes, channels and the clock.
 */
#ifndef DG_MASTER_SUPERVISE_H
#define DG_MASTER_SUPERVISE_H

#include <stdbool.h>

#include "base/backoff.h"
#include "base/time.h"

enum dg_child_state {
	DG_CHILD_BACKOFF, /* not running; will be started at `deadline` */
	DG_CHILD_STARTING,
	DG_CHILD_CONFIGURING,
	DG_CHILD_READY,
	DG_CHILD_QUIESCING,
	DG_CHILD_ENDING, /* its channel is closed; it should end by itself */
	DG_CHILD_KILLED, /* SIGKILL was sent; its exit will come */
	DG_CHILD_PARKED, /* a configuration error: not started until reload */
	DG_CHILD_GONE,   /* ended, and not wanted any more */
};

enum dg_child_event {
	DG_EV_TICK, /* time has passed */
	DG_EV_SPAWNED,
	DG_EV_SPAWN_FAILED,
	DG_EV_HELLO,
	DG_EV_READY,
	DG_EV_PULSE,
	DG_EV_MISBEHAVED, /* somebody saw it break a promise */
	DG_EV_EXIT,
	DG_EV_EXIT_CONFIG, /* exit code 78 */
	DG_EV_QUIESCE,     /* finish and end */
	DG_EV_DRAINED,
	DG_EV_RELOAD,  /* a parked one may try again */
	DG_EV_RESTART, /* finish, end and come back (with other settings) */
	DG_EV_HURRY,   /* no more waiting: it gets `quiesce` again, and less of it */
};

enum dg_child_action {
	DG_DO_NOTHING,
	DG_DO_SPAWN,
	DG_DO_KILL,
	DG_DO_QUIESCE, /* send QUIESCE */
	DG_DO_HANG_UP, /* close its control channel */
};

struct dg_child_times {
	dg_usec hello, ready; /* limits from the spawn, from HELLO */
	dg_usec stall;        /* without a PULSE */
	dg_usec quiesce, end; /* limits of an ordered stop */
	dg_usec good_age;     /* READY for so long: the next death is the first again */
};

struct dg_supervised {
	enum dg_child_state state;
	dg_usec deadline; /* DG_USEC_NEVER: only an event goes on */
	dg_usec since;    /* of the state */
	dg_usec pulse;    /* last sign of life */
	dg_usec quiesce;  /* limit of its ordered end; 0: the table's */
	bool wanted;
	bool renew; /* its end is a restart that was asked for */
	struct dg_backoff before_ready, after_ready;
	unsigned restarts;
	dg_usec last_tick;
};

extern const struct dg_child_times dg_child_times;

void dg_supervise_init(struct dg_supervised *c, dg_usec now);
enum dg_child_action dg_supervise(struct dg_supervised *c, enum dg_child_event ev,
	const struct dg_child_times *t, dg_usec now);
const char *dg_child_state_name(enum dg_child_state s);

#endif
