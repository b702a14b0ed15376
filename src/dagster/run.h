/* dagster/run.h: a DagsterRun as the agent looks at it, and what is made of it: the
 * arguments of a run's worker and of the calls that start and cancel runs. Pure.
 *
 * Of a run the agent needs a few things; everything else passes through as it is.
 */
#ifndef DG_DAGSTER_RUN_H
#define DG_DAGSTER_RUN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "dagster/strv.h"

/* A run's id becomes part of file names, container names and labels: letters, digits, '-'
 * and '_', at most 100 of them. (Dagster's are UUIDs.) */
#define DG_RUN_ID_MAX 100
bool dg_run_id_valid(struct dg_str id);

enum dg_run_status {
	DG_RUN_UNKNOWN,  /* it says none that is known */
	DG_RUN_NONE,     /* there is no such run (dagster/event.h) */
	DG_RUN_WAITING,  /* QUEUED, NOT_STARTED, MANAGED, STARTING */
	DG_RUN_BEGUN,    /* STARTED, CANCELING */
	DG_RUN_FINISHED, /* SUCCESS, FAILURE, CANCELED */
};

struct dg_dagster_run {
	char *text; /* the whole PipelineRun, as it came */
	char *id;
	char *job; /* pipeline_name */
	enum dg_run_status status;
	bool isolated; /* has a process of its own: not tagged dagster/isolation: disabled
			*/
	char *location;              /* of the remote origin; NULL when there is none */
	struct dg_str code_origin;   /* pipeline_code_origin; empty when null */
	struct dg_str repository;    /* its repository_origin; empty when null */
	struct dg_str remote_origin; /* external_pipeline_origin; empty when null */
};

/* TEXT: a PipelineRun. -DG_USER when it is none or its id is not valid; R is then empty.
 */
int dg_run_parse(struct dg_str text, struct dg_dagster_run *r, struct dg_err *e);
/* ... from the arguments of LAUNCH_RUN and TERMINATE_RUN (their `pipeline_run`). */
int dg_run_of_args(struct dg_str args, struct dg_dagster_run *r, struct dg_err *e);
void dg_run_clear(struct dg_dagster_run *r);

/* Does `dagster api execute_run` of this release read its arguments from the environment?
 * VERSIONS: dagster_library_versions of the location (1.12.7 is the first that does);
 * empty or unknown: false. */
bool dg_run_args_in_env(struct dg_str versions);

/* The worker of an isolated run: ARGV, and what ENV has besides the agent's environment:
 * the location's env_vars (GET is as in dagster/metadata.h), and, when IN_ENV, the
 * arguments, which would else be in ARGV for everybody to read. REF is the user-code
 * instance ref. -DG_USER when the run has no code origin. */
int dg_run_worker(const struct dg_dagster_run *r, struct dg_str ref, bool in_env,
	const char *(*get)(void *arg, const char *name), void *arg, struct dg_strv *argv,
	struct dg_strv *env, struct dg_err *e);

/* The text of StartRun's message (ExecuteExternalPipelineArgs) and of CancelExecution's.
 * -DG_USER when the run has no remote origin. */
int dg_run_start_args(const struct dg_dagster_run *r, struct dg_str ref,
	struct dg_buf *out, struct dg_err *e);
void dg_run_cancel_args(const char *run_id, struct dg_buf *out);

/* A code server's answer to StartRun or CancelExecution. */
struct dg_run_result {
	bool success;
	struct dg_str message; /* JSON string, or empty when null */
	struct dg_str error;   /* SerializableErrorInfo, or empty */
};
/* TEXT lives as long as RES. -DG_USER when it is no such result (an error in its place is
 * a result without success). */
int dg_run_result_parse(struct dg_str text, struct dg_run_result *res, struct dg_err *e);
/* Append the error that a launch without success is answered with. */
void dg_run_result_error(const struct dg_run_result *res, struct dg_buf *out);

/* GetCurrentRuns: is RUN_ID among them? -DG_USER when TEXT is no such result. */
int dg_run_listed(struct dg_str text, const char *run_id, bool *listed, struct dg_err *e);

#endif
