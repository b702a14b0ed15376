/* reporter/metrics.h: what the agent uses and may use, from cgroup v1, v2 or none.
 *
 * Memory is the working set (usage without inactive file cache), as since release
 * 1.13.27; what cannot be read is null.
 */
#ifndef DG_REPORTER_METRICS_H
#define DG_REPORTER_METRICS_H

#include <stdint.h>

#include "base/str.h"
#include "config/settings.h"

struct dg_metrics {
	const struct dg_settings *settings; /* paths and fallbacks: env.* */
	const char *type; /* key of resource_limits ("k8s", ...), NULL: none */
	int version;      /* of cgroups: 1, 2, or 0; -1: look */
	int64_t at,
		previous; /* real time of the last measurement and the one before, 0 */
	double cpu, previous_cpu; /* seconds, NAN: not known */
};

void dg_metrics_init(
	struct dg_metrics *m, const struct dg_settings *settings, const char *agent_type);

struct dg_metrics_load {
	int64_t max, running, queued;
};

/* Measure, and append AgentUtilizationMetrics. */
void dg_metrics_measure(struct dg_metrics *m, const struct dg_metrics_load *load,
	int64_t wall, struct dg_buf *out);

#endif
