/* reporter/heartbeat.h: what a heartbeat says. Pure: from the view, the errors and the
 * clock to the variables of AddAgentHeartbeats, byte for byte as release 1.13.27 packs
 * them.
 */
#ifndef DG_REPORTER_HEARTBEAT_H
#define DG_REPORTER_HEARTBEAT_H

#include "reporter/trouble.h"
#include "reporter/view.h"

struct dg_heartbeat {
	const char *agent_id, *agent_label,
		*agent_type;   /* label: NULL where there is none */
	const char *image_tag; /* or NULL */
	/* JSON texts. */
	struct dg_str queues;         /* AgentQueuesConfig */
	struct dg_str allowed_full;   /* {} without limits */
	struct dg_str allowed_branch; /* [] without limits */
	struct dg_str utilization;    /* {} where agent metrics are off */
	const struct dg_view *view;
	const struct dg_troubles *troubles;
	size_t server_error_limit; /* characters */
	size_t message_limit;      /* characters of a run worker's message */
	int64_t wall;
	/* The second try, after HTTP 413: without messages, errors and metrics. */
	bool small;
};

/* Append the mutation's variables. */
void dg_heartbeat_variables(const struct dg_heartbeat *h, struct dg_buf *out);

#endif
