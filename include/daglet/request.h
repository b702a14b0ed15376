/* daglet/request.h: every request kind of the control plane, as one table.
 *
 * A request is popped as an envelope (requestId, requestApi, requestBody, deploymentName,
 * isBranchDeployment); `requestApi` names a row. To add a kind is to add a row. Sources:
 * the control plane's request types in release 1.13.27 and what its code servers answer.
 *
 * Columns
 *   kind      as on the wire (DagsterCloudApi.<kind>)
 *   how       what serves it: GRPC (one unary call), STREAM (a server stream, chunks
 *             joined), LOCAL (nothing outside), CHECK (workspace query), LAUNCH,
 *             TERMINATE (runs), REFRESH (component state), DEPRECATED (answered with an
 * error) method    /api.DagsterApi/<method>; `fallback` is the stream that older code
 * servers have instead (on UNIMPLEMENTED) where     where in request_args the code
 * location's name is (enum dg_request_where) arg       how field 1 of the call is made:
 * whole ARGS, or the NOTEBOOK path ref       whether `instance_ref` of the arguments is
 * replaced by the user-code ref deadline  which default deadline applies, and whether
 * args.timeout overrides it reply     number of the reply's field that holds the answer
 *   lane      QUERY, TICK (sensor, schedule), RUN (launch, terminate), NONE
 *   on_lost   after a crash in mid-work: AGAIN, ERROR (answer with an error), LOOK (see
 *             whether it happened)
 */
#ifndef DAGLET_REQUEST_H
#define DAGLET_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum dg_request_how {
	DG_HOW_GRPC,
	DG_HOW_STREAM,
	DG_HOW_LOCAL,
	DG_HOW_CHECK,
	DG_HOW_LAUNCH,
	DG_HOW_TERMINATE,
	DG_HOW_REFRESH,
	DG_HOW_DEPRECATED,
};
enum dg_request_where {
	DG_WHERE_NONE, /* no location: never held */
	DG_WHERE_NAME, /* args.location_name */
	DG_WHERE_JOB,  /* args.pipeline_origin.external_repository_origin... */
	DG_WHERE_REPO, /* args.repository_origin.repository_location_origin.location_name
			*/
	DG_WHERE_LOCATION, /* args.repository_location_origin.location_name */
};
enum dg_request_arg { DG_ARG_NONE, DG_ARG_ARGS, DG_ARG_NOTEBOOK };
enum dg_request_deadline { DG_DL_UNARY, DG_DL_SCHEDULE, DG_DL_SENSOR, DG_DL_REFRESH };
enum dg_lane { DG_LANE_NONE, DG_LANE_QUERY, DG_LANE_TICK, DG_LANE_RUN };
enum dg_on_lost { DG_LOST_AGAIN, DG_LOST_ERROR, DG_LOST_LOOK };

/* clang-format off */
#define DG_REQUEST_TABLE(X) \
/*  kind                                            how         method                                fallback                     where     arg       ref    deadline  reply lane   on_lost */ \
X(CHECK_FOR_WORKSPACE_UPDATES,                      CHECK,      NULL,                                 NULL,                        NONE,     NONE,     false, UNARY,    0, NONE,  AGAIN) \
X(PING_LOCATION,                                    LOCAL,      NULL,                                 NULL,                        NAME,     NONE,     false, UNARY,    0, NONE,  AGAIN) \
X(GET_EXTERNAL_EXECUTION_PLAN,                      GRPC,       "ExecutionPlanSnapshot",              NULL,                        JOB,      ARGS,     true,  UNARY,    1, QUERY, AGAIN) \
X(GET_SUBSET_EXTERNAL_PIPELINE_RESULT,              GRPC,       "ExternalPipelineSubsetSnapshot",     NULL,                        JOB,      ARGS,     false, UNARY,    1, QUERY, AGAIN) \
X(GET_EXTERNAL_PARTITION_CONFIG,                    GRPC,       "ExternalPartitionConfig",            NULL,                        REPO,     ARGS,     false, UNARY,    1, QUERY, AGAIN) \
X(GET_EXTERNAL_PARTITION_TAGS,                      GRPC,       "ExternalPartitionTags",              NULL,                        REPO,     ARGS,     false, UNARY,    1, QUERY, AGAIN) \
X(GET_EXTERNAL_PARTITION_NAMES,                     GRPC,       "ExternalPartitionNames",             NULL,                        REPO,     ARGS,     false, UNARY,    1, QUERY, AGAIN) \
X(GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA,  STREAM,     "ExternalPartitionSetExecutionParams", NULL,                       REPO,     ARGS,     false, UNARY,    2, QUERY, AGAIN) \
X(GET_EXTERNAL_SCHEDULE_EXECUTION_DATA,             GRPC,       "SyncExternalScheduleExecution",      "ExternalScheduleExecution", REPO,     ARGS,     true,  SCHEDULE, 1, TICK,  AGAIN) \
X(GET_EXTERNAL_SENSOR_EXECUTION_DATA,               GRPC,       "SyncExternalSensorExecution",        "ExternalSensorExecution",   REPO,     ARGS,     true,  SENSOR,   1, TICK,  AGAIN) \
X(GET_EXTERNAL_NOTEBOOK_DATA,                       GRPC,       "ExternalNotebookData",               NULL,                        LOCATION, NOTEBOOK, false, UNARY,    1, QUERY, AGAIN) \
X(REFRESH_COMPONENT_STATE,                          REFRESH,    "RefreshComponentState",              NULL,                        NAME,     NONE,     false, REFRESH,  2, QUERY, ERROR) \
X(LAUNCH_RUN,                                       LAUNCH,     "StartRun",                           NULL,                        NONE,     NONE,     true,  UNARY,    1, RUN,   LOOK)  \
X(TERMINATE_RUN,                                    TERMINATE,  "CancelExecution",                    NULL,                        NONE,     NONE,     false, UNARY,    1, RUN,   AGAIN) \
X(CHECK_RUN_HEALTH,                                 DEPRECATED, NULL,                                 NULL,                        NONE,     NONE,     false, UNARY,    0, NONE,  AGAIN) \
X(LAUNCH_STEP,                                      DEPRECATED, NULL,                                 NULL,                        NONE,     NONE,     false, UNARY,    0, NONE,  AGAIN) \
X(CHECK_STEP_HEALTH,                                DEPRECATED, NULL,                                 NULL,                        NONE,     NONE,     false, UNARY,    0, NONE,  AGAIN) \
X(TERMINATE_STEP,                                   DEPRECATED, NULL,                                 NULL,                        NONE,     NONE,     false, UNARY,    0, NONE,  AGAIN) \
X(LOAD_REPOSITORIES,                                DEPRECATED, NULL,                                 NULL,                        NONE,     NONE,     false, UNARY,    0, NONE,  AGAIN)
/* clang-format on */

enum dg_request_kind {
#define X(kind, ...) DG_REQ_##kind,
	DG_REQUEST_TABLE(X)
#undef X
		DG_REQ_COUNT,
	DG_REQ_UNKNOWN = DG_REQ_COUNT /* answered as unknown command */
};

struct dg_request_row {
	const char *name;
	enum dg_request_how how;
	const char *method, *fallback;
	enum dg_request_where where;
	enum dg_request_arg arg;
	bool ref;
	enum dg_request_deadline deadline;
	int reply;
	enum dg_lane lane;
	enum dg_on_lost on_lost;
};

/* The row of a kind; NULL for DG_REQ_UNKNOWN. In src/dagster. */
const struct dg_request_row *dg_request_row(enum dg_request_kind k);
/* DG_REQ_UNKNOWN when the name is none of ours. */
enum dg_request_kind dg_request_kind(const char *name, size_t n);

#endif
