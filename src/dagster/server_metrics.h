/* dagster/server_metrics.h: what a code server says of its use, as heartbeats tell it
 * (CloudCodeServerUtilizationMetrics). Pure: the launcher pings, this composes. */
#ifndef DG_DAGSTER_SERVER_METRICS_H
#define DG_DAGSTER_SERVER_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Before the first measurement. */
extern const char dg_server_metrics_none[];

/* Append METRICS (an object) with the members of FRESH (the metrics text of a Ping; may
 * be empty or no object) put over its own, and resource_limits set to LIMITS unless
 * empty. False, and METRICS itself appended, when FRESH is no JSON. */
bool dg_server_metrics(struct dg_buf *out, struct dg_str metrics, struct dg_str fresh,
	struct dg_str limits);
/* Running requests as METRICS has them (all of request_utilization), or -1. */
int64_t dg_server_metrics_running(struct dg_str metrics);

#endif
