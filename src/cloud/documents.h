/* cloud/documents.h: the GraphQL documents that an agent sends. Root fields, arguments
 * and selections are those of release 1.13.27; the operation names too, because they are
 * what a person sees in the control plane's logs. */
#ifndef DG_CLOUD_DOCUMENTS_H
#define DG_CLOUD_DOCUMENTS_H

#include "daglet/call.h"

/* Those that poller and reporter send for themselves. */
extern const char dg_doc_deployment_info[]; /* no variables */
extern const char dg_doc_deployments[];     /* deploymentNames */
/* deploymentNames, includeAllServerlessDeployments, agentQueues */
extern const char dg_doc_workspace[];
extern const char
	dg_doc_pop[]; /* forBranchDeployments, forFullDeployments, agentQueues */
/* serializedAgentHeartbeats, serializedErrors */
extern const char dg_doc_heartbeats[];

/* The document of a GRAPHQL row of the call table; NULL for the others. */
const char *dg_call_document(enum dg_call_op op);

#endif
