/* status/metrics.h: what is known, in Prometheus' text format (version 0.0.4). Pure.
 *
 * Metrics whose source has not spoken yet are left out. Numbers that a role counts and
 * that have no name of their own come as daglet_role_value{role,inst,name}.
 */
#ifndef DG_STATUS_METRICS_H
#define DG_STATUS_METRICS_H

#include "base/str.h"
#include "base/time.h"
#include "status/health.h"
#include "status/mirror.h"

#define DG_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

void dg_metrics(const struct dg_mirror *m, const struct dg_health *h, dg_usec now,
	struct dg_buf *out);

#endif
