/* ledger/durability.c: see durability.h. */
#include "ledger/durability.h"

#include "base/mem.h"

/* clang-format off */
static const struct {
	const char *name;
	bool pop, unstored, launch;
} rows[] = {
	/*                      name      pop    unstored launch */
	[DG_DURABLE]        = {"full",   true,  false,   true},
	[DG_DURABLE_NONE]   = {"none",   true,  false,   true},
	[DG_DURABLE_SLOW]   = {"slow",   false, false,   true},
	[DG_DURABLE_PAUSED] = {"paused", false, false,   true},
	[DG_DURABLE_BROKEN] = {"broken", true,  true,    false},
};
/* clang-format on */

enum dg_durability
dg_durability(const struct dg_store_health *h)
{
	if (!h->durable)
		return DG_DURABLE_NONE;
	if (!h->opened || h->broken_for >= DG_STORE_PATIENCE ||
		h->batch_age >= DG_STORE_STUCK)
		return DG_DURABLE_BROKEN;
	if (h->broken)
		return DG_DURABLE_PAUSED;
	return h->batch_age >= DG_STORE_SLOW ? DG_DURABLE_SLOW : DG_DURABLE;
}

bool
dg_may_pop(enum dg_durability d)
{
	return rows[d].pop;
}

bool
dg_may_serve_unstored(enum dg_durability d)
{
	return rows[d].unstored;
}

bool
dg_may_launch(enum dg_durability d)
{
	return rows[d].launch;
}

const char *
dg_durability_name(enum dg_durability d)
{
	return (unsigned)d < DG_N(rows) ? rows[d].name : "?";
}
