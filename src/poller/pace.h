/* poller/pace.h: when the next pop goes out, and how many at once. Pure.
 *
 * Idle, a pop begins the configured interval after the end of the one before, as in the
 * Python agent. A pop that brought something is followed at once; for a while after work
 * came the interval is short. While pops come back full, several are in flight. After
 * trouble the interval grows, and what the control plane asks for is kept.
 *
 * A pop is never broken off: what its answer holds would be lost. One that has been silent
 * for a while counts as trouble and no more as being in flight: when the control plane
 * shows that it answers others (poller/probe.h), the next one may begin beside it.
 */
#ifndef DG_POLLER_PACE_H
#define DG_POLLER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

/* The short interval, and for how long after work it applies: at a steady five requests a
 * second half of them are popped within 30 ms. */
#define DG_PACE_QUICK (50 * DG_MSEC)
#define DG_PACE_WARM (2 * DG_SEC)
/* Full pops per second that those in flight should allow: where answers come quickly one
 * at a time is enough, and a poller's death puts less in doubt. */
#define DG_PACE_RATE 400
/* The longest interval after trouble: this is how late we notice that it is over. */
#define DG_PACE_TROUBLE_MAX (5 * DG_SEC)

/* How long a pop may be silent. Longer where pops may take longer to end: there are
 * DG_POP_SLOTS of them. */
#define DG_PACE_SILENT (4 * DG_SEC)
#define DG_PACE_SILENT_SHARE 15

enum dg_pace_end {
	DG_PACE_EMPTY,
	DG_PACE_SOME,
	DG_PACE_FULL,
	DG_PACE_TROUBLE, /* no answer, or a refusal */
	DG_PACE_LOST,    /* it was given up as silent, and nothing came: counted then */
};

struct dg_pace {
	dg_usec idle; /* configured interval */
	unsigned max, window, in_flight, troubles;
	unsigned silent; /* of those in flight, given up as silent */
	bool closed;     /* until the control plane shows that it answers */
	dg_usec next;    /* not before; for the first of several */
	dg_usec warm;    /* until then the interval is short */
};

void dg_pace_init(struct dg_pace *p, dg_usec idle, unsigned max);
/* How many pops may begin at NOW; 0: see dg_pace_next. */
unsigned dg_pace_may(const struct dg_pace *p, dg_usec now);
/* When there will be something to do; DG_USEC_NEVER: when a pop ends. */
dg_usec dg_pace_next(const struct dg_pace *p);
void dg_pace_began(struct dg_pace *p);
/* How long a pop may be silent where a call may take TIMEOUT (0: for ever). */
dg_usec dg_pace_patience(dg_usec timeout);
/* One in flight is given up as silent: no other begins until dg_pace_open(). */
void dg_pace_silence(struct dg_pace *p);
/* The control plane answers: one may begin at once. */
void dg_pace_open(struct dg_pace *p, dg_usec now);
/* One that was given up is heard after all: it counts again, until its end. */
void dg_pace_heard(struct dg_pace *p);
/* A pop ended. TOOK: how long it was under way; ASKED: wait that the control plane named,
 * or 0; RANDOM spreads agents after trouble. */
void dg_pace_ended(struct dg_pace *p, dg_usec now, enum dg_pace_end how, dg_usec took,
	dg_usec asked, uint32_t random);

#endif
