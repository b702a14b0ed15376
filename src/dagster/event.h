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
/* The same with words of our own, without "[DagsterCloudAgent] " unless PREFIX. */
void dg_event_words(struct dg_buf *out, const struct dg_dagster_run *r,
	struct dg_str message, bool prefix, struct dg_str error, int64_t wall_usec);

/* {"runId", "jsonNewTags"} of addRunTags. MEMBERS: tags as members of a JSON object
 * without its braces, as made below and by the backends. */
void dg_tags_variables(struct dg_buf *out, const char *run_id, struct dg_str members);
/* Append the member "KEY": "VALUE", with a comma before it where there is one already. */
void dg_tags_put(struct dg_buf *members, const char *key, struct dg_str value);
/* dagster/agent_label (when there is a label), dagster/agent_id. */
void dg_tags_agent(struct dg_buf *members, const char *agent_id, const char *label);
/* .dagster/grpc_info: ENDPOINT is "unix:/path" or "host:port". */
void dg_tags_grpc_info(struct dg_buf *members, const char *endpoint);

/* getRunRecordsQuery for one run, and the run in its answer (the whole body, or its
 * data): -DG_USER when the answer is none; *FOUND false when there is no such run. */
void dg_run_records_variables(struct dg_buf *out, const char *run_id);
int dg_run_records_parse(
	struct dg_str body, struct dg_dagster_run *r, bool *found, struct dg_err *e);

#endif
