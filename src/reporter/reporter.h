/* reporter/reporter.h: the role that tells the control plane.
 *
 * It uploads answers (DELIVER), makes calls for launchers (CALL), and sends heartbeats
 * from its own mirror of what the ledger says (STATE), each with connections of its own.
 * It keeps no promise by itself: the ledger gives again whatever was not acknowledged.
 * It never launches anything, and writes nothing but the two sentinel files.
 */
#ifndef DG_REPORTER_REPORTER_H
#define DG_REPORTER_REPORTER_H

#include "cloud/api.h"
#include "reporter/trouble.h"
#include "reporter/view.h"
#include "worker/worker.h"

struct dg_deliver;
struct dg_calls;
struct dg_beat;
struct dg_sentinel;

struct dg_reporter {
	struct dg_worker *worker;
	struct dg_cloud *cloud;
	struct dg_view view;
	struct dg_troubles troubles;
	struct dg_deliver *deliver;
	struct dg_calls *calls;
	struct dg_beat *beat;
	struct dg_sentinel *sentinel;
	uint64_t delivered, refused, called, beats; /* since the start */
	sd_event_source *limit;                     /* quiescing */
	bool late;                                  /* it is over */
};

/* Answers (deliver.c). */
int dg_deliver_new(struct dg_reporter *r, struct dg_err *e);
void dg_deliver_free(struct dg_deliver *d);
/* After a reload, each part: the old client is gone with all its calls; what was under
 * way begins anew with the new one. */
int dg_deliver_apply(struct dg_deliver *d, struct dg_err *e);
void dg_deliver_linked(
	struct dg_deliver *d); /* DELIVERED once more, HAVE for all it holds */
void dg_deliver_take(struct dg_deliver *d, uint64_t id, struct dg_msg_deliver *m);
size_t dg_deliver_open(const struct dg_deliver *d);

/* Calls (calls.c). */
int dg_calls_new(struct dg_reporter *r, struct dg_err *e);
void dg_calls_free(struct dg_calls *c);
int dg_calls_apply(struct dg_calls *c, struct dg_err *e);
/* A new ledger gives its calls again: answers to old ones interest nobody. */
void dg_calls_linked(struct dg_calls *c);
void dg_calls_take(struct dg_calls *c, uint64_t id, struct dg_msg_call *m);
size_t dg_calls_open(const struct dg_calls *c);

/* Heartbeats (beat.c). */
int dg_beat_new(struct dg_reporter *r, struct dg_err *e);
void dg_beat_free(struct dg_beat *b);
int dg_beat_apply(struct dg_beat *b, struct dg_err *e);
void dg_beat_identity(struct dg_beat *b, struct dg_str agent_id);
/* The view changed: the first heartbeat goes out when there is something to say. */
void dg_beat_view(struct dg_beat *b);

/* Nothing more is to be told: one last heartbeat, then (or when that takes too long) the
 * worker is done. */
void dg_beat_last(struct dg_beat *b);

/* Sentinel files (sentinel.c). */
int dg_sentinel_new(struct dg_reporter *r, struct dg_err *e);
void dg_sentinel_free(struct dg_sentinel *s);
void dg_sentinel_view(struct dg_sentinel *s);

/* Something was finished: the status line, and the end of a drain. */
void dg_reporter_done(struct dg_reporter *r);

#endif
