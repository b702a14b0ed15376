/* base/backoff.c: see backoff.h. */
#include "base/backoff.h"

void
dg_backoff_init(struct dg_backoff *b, dg_usec min, dg_usec max)
{
	*b = (struct dg_backoff){min, max, min};
}

dg_usec
dg_backoff_fail(struct dg_backoff *b)
{
	dg_usec wait = b->next;

	b->next = wait > b->max / 2 ? b->max : wait * 2;
	return wait;
}

void
dg_backoff_reset(struct dg_backoff *b)
{
	b->next = b->min;
}
