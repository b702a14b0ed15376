/* dagster/args.h: from a request's body to what its code server is sent. Pure.
 *
 * A body is the text of a DagsterCloudApiRequest; its request_args are passed on as they
 * stand but for three edits: `instance_ref` (three kinds), and for sensors a `timeout`
 * and the two names of the last tick's time.
 */
#ifndef DG_DAGSTER_ARGS_H
#define DG_DAGSTER_ARGS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "daglet/request.h"

/* Seconds; from the environment of the agent as the Python client reads it. */
struct dg_grpc_timeouts {
	int64_t unary;      /* DAGSTER_GRPC_TIMEOUT_SECONDS, 60 */
	int64_t repository; /* DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS, max(180, unary) */
	int64_t schedule;   /* DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS, unary */
	int64_t sensor;     /* DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS, unary */
};
/* GET gives the value of a variable or NULL. What is no number counts as unset. */
struct dg_grpc_timeouts dg_grpc_timeouts(
	const char *(*get)(void *arg, const char *name), void *arg);
#define DG_REFRESH_TIMEOUT                                                               \
	300 /* RefreshComponentState, whatever the environment says                      \
	     */

/* request_args in BODY, or -DG_USER when BODY is no request or they are no object. */
int dg_args(struct dg_str body, struct dg_str *args, struct dg_err *e);

/* The code location that the arguments name, decoded; false when WHERE has one and they
 * name none. */
bool dg_args_location(
	struct dg_str args, enum dg_request_where where, struct dg_buf *out);

/* The deadline of the call, in seconds: 0 to 1,000,000. */
int64_t dg_args_deadline(
	enum dg_request_kind kind, struct dg_str args, const struct dg_grpc_timeouts *t);

/* The text for field 1 of the call's message. REF is the user-code instance ref of the
 * deployment; used only by kinds whose row says so. -DG_USER for arguments that cannot be
 * served (no notebook path). */
int dg_args_compose(enum dg_request_kind kind, struct dg_str args, struct dg_str ref,
	const struct dg_grpc_timeouts *t, struct dg_buf *out, struct dg_err *e);

/* REFRESH_COMPONENT_STATE: each key of defs_state_keys, decoded, is one field 1. FN is
 * called per key. -DG_USER when they are no list of strings. */
int dg_args_state_keys(struct dg_str args, void (*fn)(void *arg, struct dg_str key),
	void *arg, struct dg_err *e);

#endif
