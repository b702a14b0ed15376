/* dagster/heartbeat.h: the texts that heartbeats are made of. Pure: the reporter gathers,
 * this composes. */
#ifndef DG_DAGSTER_HEARTBEAT_H
#define DG_DAGSTER_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* What a code server's or the agent's metrics are before the first measurement. */
extern const char dg_server_metrics_none[];
extern const char dg_agent_metrics_none[];

/* Append METRICS (an object) with the members of FRESH (the metrics text of a Ping; may
 * be empty or no object) put over its own, and resource_limits set to LIMITS unless
 * empty. False, and METRICS itself appended, when FRESH is no JSON. */
bool dg_server_metrics(struct dg_buf *out, struct dg_str metrics, struct dg_str fresh,
	struct dg_str limits);
/* Running requests as METRICS has them (all of request_utilization), or -1. */
int64_t dg_server_metrics_running(struct dg_str metrics);
/* The size of the server's thread pool as METRICS has it, or -1. */
int64_t dg_server_metrics_pool(struct dg_str metrics);

/* Numbers of the container that the agent is in; NaN and negative numbers become null. */
struct dg_container_metrics {
	int cgroup; /* 1, 2, or 0 when unknown */
	double cpu_period_us, cpu_quota_us, cpu_usage, previous_cpu_usage;
	int64_t measured, previous_measured; /* real time, microseconds; 0: never */
	int64_t memory_limit, memory_usage;
	int64_t cores;
};
struct dg_request_metrics {
	int64_t max, queued, running;
};
/* LIMITS: resource_limits as an object; empty: {}. */
void dg_agent_metrics(struct dg_buf *out, const struct dg_container_metrics *c,
	const struct dg_request_metrics *r, struct dg_str limits);

enum dg_server_status { DG_SERVER_STARTING, DG_SERVER_RUNNING, DG_SERVER_FAILED };
/* CloudCodeServerHeartbeat. ERROR is cut to size here; empty: none. METRICS: empty where
 * they are not enabled. SMALL leaves out both (for HTTP 413). */
void dg_server_heartbeat(struct dg_buf *out, const char *location,
	enum dg_server_status status, struct dg_str error, struct dg_str metrics,
	bool small);

enum dg_worker_is {
	DG_WORKER_IS_RUNNING,
	DG_WORKER_IS_NOT_FOUND,
	DG_WORKER_IS_FAILED,
	DG_WORKER_IS_SUCCESS,
	DG_WORKER_IS_UNKNOWN,
};
struct dg_worker_row {
	const char *run_id;
	enum dg_worker_is status;
	const char *message; /* NULL: null; cut to 1000 characters here */
	bool transient;
	const char *worker_id; /* NULL: null */
};
/* CloudRunWorkerStatuses: SUPPORTED is whether run monitoring is; ALIVE is looked at only
 * then. SMALL empties the messages. */
void dg_worker_statuses(struct dg_buf *out, bool supported, bool alive,
	const struct dg_worker_row *list, size_t n, bool small);

struct dg_agent_heartbeat {
	int64_t wall_usec;
	const char *agent_id, *agent_type;
	const char *label;            /* NULL: null */
	const char *version;          /* of the protocol */
	const char *image_tag;        /* NULL: left out */
	struct dg_str metrics;        /* object; empty: {} */
	struct dg_str allowed_branch; /* array; empty: [] */
	struct dg_str allowed_full;   /* object; empty: {} */
	bool default_queue;
	const char *const *queues; /* NULL-terminated; NULL: null */
	struct dg_str servers;     /* dg_server_heartbeat()s with ", " between them */
	struct dg_str workers;     /* dg_worker_statuses() */
	bool small;                /* the form that is sent after HTTP 413 */
};
void dg_heartbeat(struct dg_buf *out, const struct dg_agent_heartbeat *h);

/* The variables of AddAgentHeartbeats: begin, deployments, errors (TimestampedError
 * texts, dagster/error.h), end. */
struct dg_heartbeats {
	struct dg_buf *out;
	size_t deployments, errors;
	size_t heartbeat_bytes, error_bytes; /* for the words of the 413 form */
};
void dg_heartbeats_begin(struct dg_heartbeats *h, struct dg_buf *out);
void dg_heartbeats_deployment(
	struct dg_heartbeats *h, const char *deployment, struct dg_str heartbeat);
/* After the last deployment. */
void dg_heartbeats_error(struct dg_heartbeats *h, struct dg_str error);
void dg_heartbeats_end(struct dg_heartbeats *h);
/* The one error of the 413 form; TOO_BIG are the variables that were refused. */
void dg_heartbeats_too_big(
	struct dg_buf *out, const struct dg_heartbeats *too_big, int64_t wall_usec);

#endif
