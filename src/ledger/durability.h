/* ledger/durability.h: what may be done while the store is as it is. Pure.
 *
 * A store that cannot be written stops popping first; what is in hand waits for it, so
 * that nothing is lost when room comes back soon. When it does not, requests that may
 * happen twice are served without being remembered, and those that may not are refused.
 * A slow store is not a dead one, and not a dead ledger: its age is watched by itself.
 */
#ifndef DG_LEDGER_DURABILITY_H
#define DG_LEDGER_DURABILITY_H

#include <stdbool.h>

#include "base/time.h"
#include "ledger/store.h"

enum dg_durability {
	DG_DURABLE,      /* everything is remembered */
	DG_DURABLE_NONE, /* nobody asked for a store: everything is served from memory */
	DG_DURABLE_SLOW, /* a batch takes long: nothing more is popped for now */
	DG_DURABLE_PAUSED, /* it cannot be written: the same, and what is in hand waits */
	DG_DURABLE_BROKEN, /* for long now: served from memory, launches are refused */
};

/* A batch that takes longer is slow (the disk's own time-outs are 30 s). */
#define DG_STORE_SLOW (5 * DG_SEC)
/* How long what is in hand waits for a store that cannot be written or stands still. */
#define DG_STORE_PATIENCE (10 * DG_SEC)
#define DG_STORE_STUCK (60 * DG_SEC)

enum dg_durability dg_durability(const struct dg_store_health *h);
bool dg_may_pop(enum dg_durability d);
/* Requests need not wait for the store. */
bool dg_may_serve_unstored(enum dg_durability d);
/* What must not happen twice may be begun, once the store has it. */
bool dg_may_launch(enum dg_durability d);
/* The word of daglet/state.h: "full", "none", "slow", "paused", "broken". */
const char *dg_durability_name(enum dg_durability d);

#endif
