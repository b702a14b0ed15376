/* poller/pace.h: when the next pop goes out, and how many at once. Pure.
 *
 * Idle: one pop per configured interval, as the Python agent. After a pop that brought
 * something the next follows at once; for a short while after work came, empty pops
 * follow each other faster than the interval. While pops come back full, several are in
 * flight. Trouble: ever longer waits, with jitter, up to a few seconds, or as long as
 * asked for.
 */
#ifndef DG_POLLER_PACE_H
#define DG_POLLER_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct dg_pace {
	dg_usec interval;
	unsigned target; /* pops that may be in flight */
	unsigned in_flight;
	dg_usec last_work;  /* when a pop last brought something; 0: never */
	dg_usec next;       /* no pop before */
	dg_usec last_start; /* of the newest pop */
	unsigned failures;  /* in a row */
};

#define DG_PACE_AWAKE (1500 * DG_MSEC) /* how long polling stays fast after work */
#define DG_PACE_FAST (60 * DG_MSEC)    /* its interval then */
#define DG_PACE_TROUBLE (5 * DG_SEC)   /* the longest wait of our own after trouble */

void dg_pace_init(struct dg_pace *p, dg_usec interval, dg_usec now);
/* May one more pop start now? */
bool dg_pace_may(const struct dg_pace *p, dg_usec now);
void dg_pace_started(struct dg_pace *p, dg_usec now);
/* It came back with COUNT requests. */
void dg_pace_popped(struct dg_pace *p, size_t count, dg_usec now);
/* It did not. ASKED: how long the control plane wants us to wait, or 0. RANDOM: jitter.
 */
void dg_pace_failed(struct dg_pace *p, dg_usec asked, uint32_t random, dg_usec now);

#endif
