/* dagster/event.h: what the agent stores in a run's event log and tags: GraphQL variables
 * of StoreEvent, addRunTags and getRunRecordsQuery. Pure.
 */
#ifndef DG_DAGSTER_EVENT_H
#define DG_DAGSTER_EVENT_H

#include <stdint.h>

#include "base/str.h"
#include "dagster/run.h"

enum dg_event {
	DG_EVENT_LAUNCHING,       /* AGENT is launching the run */
	DG_EVENT_NOT_ISOLATED,    /* ... without a process of its own */
	DG_EVENT_TERMINATE_ASKED, /* AGENT was asked to terminate it */
	DG_EVENT_CANCEL_ASKED,    /* AGENT was asked to mark it (isolated agents) */
	DG_EVENT_CANCELING,       /* PIPELINE_CANCELING itself */
	DG_EVENT_CALL_FAILED,     /* StartRun did not get through; with an error */
};

/* "Agent 1a2b3c4d (label)": LABEL may be NULL or empty. */
void dg_agent_name(struct dg_buf *out, const char *agent_id, const char *label);

/* {"eventRecord": {...}} of StoreEvent. AGENT: dg_agent_name(). ERROR: an error's text
 * (cut to size here), or empty. Sent with the headers Idempotency-Key and
 * X-Event-Write: true. */
void dg_event_variables(struct dg_buf *out, enum dg_event what,
	const struct dg_dagster_run *r, struct dg_str agent, struct dg_str error,
	int64_t wall_usec);
/* The idempotency key that a second try of the same request makes again: a UUID out of a
 * hash. */
void dg_event_key(
	char out[37], enum dg_event what, const char *run_id, const char *request_id);

/* {"runId", "jsonNewTags"} of addRunTags. MEMBERS: tags as members of a JSON object
 * without its braces, as appended below and by the backends. */
void dg_tags_variables(struct dg_buf *out, const char *run_id, struct dg_str members);
/* dagster/agent_label (when there is a label), dagster/agent_id. */
void dg_tags_agent(struct dg_buf *members, const char *agent_id, const char *label);
/* .dagster/server_handle: what a backend calls the server. */
void dg_tags_server_handle(struct dg_buf *members, const char *handle);
/* .dagster/grpc_info: ENDPOINT is "unix:/path" or "host:port". */
void dg_tags_grpc_info(struct dg_buf *members, const char *endpoint);

/* getRunRecordsQuery for one run, and how the run is by its answer (the body):
 * DG_RUN_UNKNOWN when it cannot be understood. */
void dg_run_records_variables(struct dg_buf *out, const char *run_id);
enum dg_run_status dg_run_records_status(struct dg_str body);

#endif
