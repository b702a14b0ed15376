/* launcher/runtext.h: the texts around a run: what a request says of it, engine events,
 * tags, arguments. Pure; the shapes are facts of the wire (protocol.md 5).
 */
#ifndef DG_LAUNCHER_RUNTEXT_H
#define DG_LAUNCHER_RUNTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "dagster/strv.h"

/* What a LAUNCH_RUN or TERMINATE_RUN says. Slices into the body. */
struct dg_run_facts {
	char run_id[129];
	struct dg_str job;        /* pipeline_name, JSON string */
	struct dg_str origin;     /* external_pipeline_origin, JSON; p NULL: null */
	struct dg_str code;       /* pipeline_code_origin, JSON; p NULL: null */
	struct dg_str repository; /* its repository_origin, JSON */
	struct dg_str context;    /* container context of the code origin; p NULL: none */
	char *location;           /* of the external origin, or NULL; owned */
	bool isolated;
};

/* BODY: DagsterCloudApiRequest. -DG_USER when it cannot be understood. */
int dg_run_facts(struct dg_str body, struct dg_run_facts *ret, struct dg_err *e);
void dg_run_facts_clear(struct dg_run_facts *f);

/* Variables of StoreEvent. MESSAGE is prefixed with the agent's class; ERROR is a
 * SerializableErrorInfo or empty (then the level is INFO). */
void dg_event_engine(struct dg_buf *out, const struct dg_run_facts *f,
	const char *message, struct dg_str error, int64_t wall);
/* The same without the prefix. */
void dg_event_plain(struct dg_buf *out, const struct dg_run_facts *f, const char *message,
	struct dg_str error, int64_t wall);
void dg_event_canceling(struct dg_buf *out, const struct dg_run_facts *f, int64_t wall);
/* Variables of addRunTagsMutation. MEMBERS: of a JSON object, without braces. */
void dg_tags(struct dg_buf *out, const char *run_id, struct dg_str members);
/* "key": "value" with a comma before it unless OUT is empty. */
void dg_tags_add(struct dg_buf *out, const char *key, const char *value);

/* Variables of getRunRecordsQuery for one run; and what its answer says. */
void dg_run_query(struct dg_buf *out, const char *run_id);
enum dg_run_status {
	DG_RUN_UNKNOWN,  /* the answer cannot be understood */
	DG_RUN_NONE,     /* the control plane knows no such run */
	DG_RUN_WAITING,  /* QUEUED, NOT_STARTED, MANAGED, STARTING */
	DG_RUN_BEGUN,    /* STARTED, CANCELING */
	DG_RUN_FINISHED, /* SUCCESS, FAILURE, CANCELED */
};
enum dg_run_status dg_run_status(struct dg_str answer);

/* An idempotency key that a second try of the same request makes again: a UUID out of a
 * hash of the parts. */
void dg_event_key(
	char out[37], const char *run_id, const char *request_id, const char *what);

/* Arguments of `dagster api execute_run` and of StartRun. REF: user-code instance ref. */
void dg_run_args(struct dg_buf *out, const struct dg_run_facts *f, struct dg_str ref);
void dg_start_run_args(
	struct dg_buf *out, const struct dg_run_facts *f, struct dg_str ref);
/* The entry point of the run's code. */
void dg_run_entry_point(const struct dg_run_facts *f, struct dg_strv *argv);

/* Is RUN among GetCurrentRunsResult.current_runs? 1, 0, or -1: cannot tell. */
int dg_run_is_current(struct dg_str result, const char *run_id);
/* StartRunResult: success; if not, MESSAGE (may be empty) and ERROR (JSON or empty). */
bool dg_start_run_result(
	struct dg_str result, struct dg_buf *message, struct dg_str *error);

#endif
