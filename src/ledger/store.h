/* ledger/store.h: state.db and spool/: what survives everything.
 *
 * One writer thread owns the SQLite handle; the loop queues writes and is told in batches
 * what has been committed. A batch is one transaction; it is synced (FULL) when any write
 * in it asks for it. Bodies above DG_SPOOL_MIN are files in spool/, written before the
 * row that names them and removed after the row is. A store that cannot be written keeps
 * its queue and tries again; its age and last error are for all to see. A damaged one is
 * moved aside, as state.db.damaged-TIME, and an empty one takes its place. One that the
 * disk does not let us open is tried again by the writer, which then writes what was
 * queued; what it remembers is read at the next start. When nothing is to be written it
 * is compacted. Without a folder everything is in memory only. No secret comes in here.
 */
#ifndef DG_LEDGER_STORE_H
#define DG_LEDGER_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/time.h"
#include "daglet/msg.h"
#include "ipc/codec.h"

enum dg_stage { /* of a request, on disk: never renumber */
	DG_REQ_RECORDED = 1,
	DG_REQ_SENT = 2, /* dispatched; only for kinds that must not happen twice */
	DG_REQ_ANSWERED = 3,
};

struct dg_row_request {
	uint64_t id;
	enum dg_stage stage;
	uint64_t kind, branch, expire, popped;
	struct dg_str request_id, api, deployment, location, error;
	struct dg_body body, answer;
	/* loaded: the bytes were in spool/ and are gone; `error` says which */
	bool body_gone, answer_gone;
};

struct dg_row_handle {
	enum dg_handle_what what;
	enum dg_handle_stage stage;
	uint64_t request; /* row id of the request that made it, or 0 */
	int64_t wall;
	struct dg_str key, deployment, location, nonce;
	struct dg_str handle;
};

/* What a launch answered, for those who deliver it again. */
struct dg_row_tombstone {
	struct dg_str request_id;
	int64_t wall;
	struct dg_str answer;
};

struct dg_store;

/* Called from the loop: the write with this ticket, and all before it, are committed. */
typedef void dg_store_committed_fn(void *arg, uint64_t ticket);

/* What was there, in the order of ids; slices live for the call. */
struct dg_store_loader {
	void (*request)(void *arg, const struct dg_row_request *row);
	void (*handle)(void *arg, const struct dg_row_handle *row);
	void (*tombstone)(void *arg, const struct dg_row_tombstone *row);
	void (*meta)(void *arg, struct dg_str key, struct dg_str value);
	void *arg;
};

/* DIR NULL: memory only. Errors: DG_CONFIG (no such folder, used by another daglet, a
 * store that is too new). Trouble of the disk is none: see `opened`. */
int dg_store_open(struct dg_store **ret, sd_event *event, const char *dir,
	const struct dg_store_loader *load, dg_store_committed_fn *committed, void *arg,
	struct dg_err *e);
/* Waits for what is queued (at most a few seconds), then closes. */
void dg_store_close(struct dg_store *s);

/* Each queues one write and returns its ticket; rising. Bodies are copied or duplicated.
 */
uint64_t dg_store_record(struct dg_store *s, const struct dg_row_request *row);
uint64_t dg_store_sent(struct dg_store *s, uint64_t id);
uint64_t dg_store_answer(struct dg_store *s, uint64_t id, struct dg_body answer);
uint64_t dg_store_forget(struct dg_store *s, uint64_t id);
/* forget() and a tombstone in one. */
uint64_t dg_store_bury(
	struct dg_store *s, uint64_t id, struct dg_str request_id, struct dg_str answer);
uint64_t dg_store_handle(struct dg_store *s, const struct dg_row_handle *row);
uint64_t dg_store_meta(struct dg_store *s, const char *key, struct dg_str value);

struct dg_store_health {
	bool durable;       /* false: memory only */
	bool opened;        /* false: what it remembers is not known, because... */
	bool reopened;      /* it was not at first: a new start would read it now */
	bool broken;        /* the last write failed and is being tried again */
	dg_usec broken_for; /* since when nothing could be written, 0: it can */
	dg_usec batch_age;  /* how long the batch under way has been taking, 0: none */
	uint64_t queued;    /* writes not yet committed */
	uint64_t batches, writes;
	char error[DG_ERR_TEXT]; /* why broken */
	char damaged[64];        /* the newest file that was moved aside, or "" */
};
void dg_store_health(struct dg_store *s, struct dg_store_health *ret);

#endif
