/* base/backoff.h: how long to wait before the next try. Pure; the caller owns the clock.
 */
#ifndef DG_BASE_BACKOFF_H
#define DG_BASE_BACKOFF_H

#include "base/time.h"

struct dg_backoff {
	dg_usec min, max; /* first and longest wait */
	dg_usec next;     /* what dg_backoff_fail() returns next */
};

void dg_backoff_init(struct dg_backoff *b, dg_usec min, dg_usec max);
/* One more failure: the wait; the next one is twice as long, up to max. */
dg_usec dg_backoff_fail(struct dg_backoff *b);
/* It worked for long enough. */
void dg_backoff_reset(struct dg_backoff *b);

#endif
