/* poller/pace.h: when the next pop goes out, and how many at once. Pure.
 *
 * Idle, a pop begins the configured interval after the end of the one before, as in the
 * Python agent. A pop that brought something is followed at once; for a while after work
 * came the interval is short. While pops come back full, several are in flight. After
 * trouble the interval grows, and what the control plane asks for is kept.
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

enum dg_pace_end {
	DG_PACE_EMPTY,
	DG_PACE_SOME,
	DG_PACE_FULL,
	DG_PACE_TROUBLE, /* no answer, or a refusal */
};

struct dg_pace {
	dg_usec idle; /* configured interval */
	unsigned max, window, in_flight, troubles;
	dg_usec next; /* not before; for the first of several */
	dg_usec warm; /* until then the interval is short */
};

void dg_pace_init(struct dg_pace *p, dg_usec idle, unsigned max);
/* How many pops may begin at NOW; 0: see dg_pace_next. */
unsigned dg_pace_may(const struct dg_pace *p, dg_usec now);
/* When there will be something to do; DG_USEC_NEVER: when a pop ends. */
dg_usec dg_pace_next(const struct dg_pace *p);
void dg_pace_began(struct dg_pace *p);
/* A pop ended. TOOK: how long it was under way; ASKED: wait that the control plane named,
 * or 0; RANDOM spreads agents after trouble. */
void dg_pace_ended(struct dg_pace *p, dg_usec now, enum dg_pace_end how, dg_usec took,
	dg_usec asked, uint32_t random);

#endif
