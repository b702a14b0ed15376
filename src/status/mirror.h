/* status/mirror.h: what the other roles say of themselves and their work: the newest
 * STATE body per key, as it came. Pure: no I/O, clocks are passed in.
 *
 * Two sources: the master's rows of roles (pid, restarts...) over the control channel,
 * everything else from the ledger. The ledger says all of it again on every new link;
 * what it does not say again within a minute is forgotten.
 */
#ifndef DG_STATUS_MIRROR_H
#define DG_STATUS_MIRROR_H

#include <stdbool.h>

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"
#include "daglet/msg.h"

/* The ledger's rows by enum dg_state_kind, then the master's rows of roles. */
#define DG_MIRROR_MASTER DG_STATE_COUNT

struct dg_mirror_row {
	struct dg_str key;  /* borrowed from the map */
	struct dg_buf body; /* one JSON object */
	dg_usec at;         /* when it was said */
	uint64_t round;     /* on which link */
};

struct dg_mirror {
	struct dg_map rows[DG_STATE_COUNT + 1]; /* key -> struct dg_mirror_row */
	char *agent_id, *installation;          /* NULL until the ledger has named them */
	uint64_t slot;
	bool linked; /* to the ledger */
	uint64_t round;
	dg_usec link_at; /* when the link came or went */
};

void dg_mirror_init(struct dg_mirror *m, dg_usec now);
void dg_mirror_clear(struct dg_mirror *m);

/* TABLE: enum dg_state_kind or DG_MIRROR_MASTER. -DG_BUG when BODY is no JSON object or
 * there is no such table: the sender broke its promise. */
int dg_mirror_put(struct dg_mirror *m, unsigned table, struct dg_str key,
	struct dg_str body, dg_usec now, struct dg_err *e);
void dg_mirror_gone(struct dg_mirror *m, unsigned table, struct dg_str key);
void dg_mirror_identity(struct dg_mirror *m, const struct dg_msg_identity *id);

/* A new link to the ledger, or none any more. */
void dg_mirror_link(struct dg_mirror *m, bool linked, dg_usec now);
/* Forget what the ledger did not say again; call it now and then. */
void dg_mirror_sweep(struct dg_mirror *m, dg_usec now);

size_t dg_mirror_count(const struct dg_mirror *m, unsigned table);
const struct dg_mirror_row *dg_mirror_get(
	const struct dg_mirror *m, unsigned table, struct dg_str key);
/* All rows of a table ordered by key; the caller frees the array (*RET_N rows). */
const struct dg_mirror_row **dg_mirror_sorted(
	const struct dg_mirror *m, unsigned table, size_t *ret_n);

#endif
