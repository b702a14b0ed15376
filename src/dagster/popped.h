/* dagster/popped.h: the answer of a pop, split into requests as it arrives. Pure.
 *
 * The control plane forgets a request when it answers a pop, so every request that
 * arrived whole counts, also of an answer that was cut. Bytes are fed as they come; each
 * element of popUserCloudAgentRequests is decoded by itself as soon as its closing brace
 * is there, and what is wrong with one never touches its neighbours. Used by the poller
 * while it receives, and by the ledger on what a dead poller left behind.
 */
#ifndef DG_DAGSTER_POPPED_H
#define DG_DAGSTER_POPPED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "daglet/request.h"

struct dg_popped {
	/* of the envelope */
	struct dg_str
		request_id; /* empty: the element says none, nobody can be answered */
	struct dg_str api;  /* requestApi as it stands */
	struct dg_str deployment;
	bool branch;
	struct dg_str body; /* requestBody, unescaped */
	/* of the body */
	enum dg_request_kind kind; /* DG_REQ_UNKNOWN: to be answered as unknown command */
	struct dg_str location;    /* empty where the kind has none */
	uint64_t expire;           /* real time, microseconds; 0: the body says none */
	struct dg_str error;       /* why it cannot be served, or empty */
};

/* ITEM and its slices live for the call. */
typedef void dg_popped_fn(void *arg, const struct dg_popped *item);

struct dg_popped_split;

struct dg_popped_split *dg_popped_split_new(dg_popped_fn *fn, void *arg);
void dg_popped_split_free(struct dg_popped_split *s);
/* Start over for the next answer. */
void dg_popped_split_reset(struct dg_popped_split *s);
/* More bytes. -DG_LIMIT: an element is larger than DG_HTTP_BODY_MAX; nothing more of this
 * answer is looked at. */
int dg_popped_split_feed(
	struct dg_popped_split *s, struct dg_str bytes, struct dg_err *e);
/* Was the array there and closed? */
bool dg_popped_split_closed(const struct dg_popped_split *s);
/* Elements handed out so far. */
size_t dg_popped_split_count(const struct dg_popped_split *s);

/* One element by itself. FN is called exactly once. */
void dg_popped_decode(struct dg_str element, dg_popped_fn *fn, void *arg);

#endif
