/* cloud/documents.c: see documents.h. */
#include "cloud/documents.h"

#include <stddef.h>

#include "base/mem.h"

const char dg_doc_deployment_info[] =
	"query DeploymentInfo { deploymentInfo { deploymentName } }";

const char dg_doc_deployments[] =
	"query Deployments($deploymentNames: [String!]!) {"
	" deployments(deploymentNames: $deploymentNames) { deploymentName } }";

const char dg_doc_workspace[] =
	"query WorkspaceEntries($deploymentNames: [String!]!,"
	" $includeAllServerlessDeployments: Boolean!, $agentQueues: [String]) {"
	" deployments(deploymentNames: $deploymentNames,"
	" includeAllServerlessDeployments: $includeAllServerlessDeployments) {"
	" deploymentName isBranchDeployment"
	" workspaceEntries(agentQueues: $agentQueues) {"
	" locationName serializedDeploymentMetadata hasOutdatedData hasLoadError"
	" metadataTimestamp } } }";

const char dg_doc_pop[] =
	"mutation GetUserCloudRequests($forBranchDeployments: Boolean,"
	" $forFullDeployments: [String!], $limit: Int, $agentQueues: [String]) {"
	" userCloudAgent { popUserCloudAgentRequests(limit: $limit,"
	" forBranchDeployments: $forBranchDeployments,"
	" forFullDeployments: $forFullDeployments, agentQueues: $agentQueues) {"
	" requestId requestApi requestBody deploymentName isBranchDeployment } } }";

const char dg_doc_heartbeats[] =
	"mutation AddAgentHeartbeats($serializedAgentHeartbeats: [AgentHeartbeatInput!],"
	" $serializedErrors: [String!]) { userCloudAgent {"
	" addAgentHeartbeats(serializedAgentHeartbeats: $serializedAgentHeartbeats,"
	" serializedErrors: $serializedErrors) { ok } } }";

static const char store_event[] =
	"mutation StoreEvent($eventRecord: EventLogEntryInput!) {"
	" eventLogs { StoreEvent(eventRecord: $eventRecord) { ok } } }";

static const char add_run_tags[] =
	"mutation addRunTagsMutation($runId: String!, $jsonNewTags: JSONString!) {"
	" runs { addRunTags(runId: $runId, jsonNewTags: $jsonNewTags) { ok } } }";

static const char get_run_records[] =
	"query getRunRecordsQuery($filters: RunsFilter, $limit: Int, $orderBy: String,"
	" $ascending: Boolean, $cursor: String, $bucketBy: RunBucket) {"
	" runs { getRunRecords(filters: $filters, limit: $limit, orderBy: $orderBy,"
	" ascending: $ascending, cursor: $cursor, bucketBy: $bucketBy) {"
	" storageId serializedPipelineRun createTimestamp updateTimestamp startTime"
	" endTime } } }";

static const char get_runs[] =
	"query getRunsQuery($filters: RunsFilter, $cursor: String, $limit: Int,"
	" $bucketBy: RunBucket, $ascending: Boolean) {"
	" runs { getRuns(filters: $filters, cursor: $cursor, limit: $limit,"
	" bucketBy: $bucketBy, ascending: $ascending) } }";

static const char agents[] =
	"query Agents($heartbeatedSince: Float) {"
	" agents(heartbeatedSince: $heartbeatedSince) { id status } }";

const char *
dg_call_document(enum dg_call_op op)
{
	switch (op) {
	case DG_CALL_OP_STORE_EVENT:
		return store_event;
	case DG_CALL_OP_ADD_RUN_TAGS:
		return add_run_tags;
	case DG_CALL_OP_GET_RUN_RECORDS:
		return get_run_records;
	case DG_CALL_OP_GET_RUNS:
		return get_runs;
	case DG_CALL_OP_CHECK_WORKSPACE:
		return dg_doc_workspace;
	case DG_CALL_OP_AGENTS:
		return agents;
	default:
		return NULL;
	}
}

static const struct dg_call_row rows[] = {
#define X(op, how_, target_, file_, ordered_, again_, patience_)                         \
	[DG_CALL_OP_##op] = {#op, DG_CALL_##how_, target_, file_, ordered_,              \
		DG_AGAIN_##again_, patience_},
	DG_CALL_TABLE(X)
#undef X
};
_Static_assert(DG_N(rows) == DG_CALL_OP_COUNT, "one row per op");

const struct dg_call_row *
dg_call_row(unsigned op)
{
	return op < DG_N(rows) ? &rows[op] : NULL;
}
