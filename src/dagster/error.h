/* dagster/error.h: SerializableErrorInfo: composed, read, cut to size. Pure.
 *
 * An error travels as JSON text {"__class__": "SerializableErrorInfo", "cause",
 * "cls_name", "context", "message", "stack"} and is kept as that text everywhere: a slice
 * `error` below is such a text. Python puts "<qualified class>: <text>\n" into `message`;
 * so do we, with Python's class names where the control plane knows the error by them.
 * Ours carry no stack.
 */
#ifndef DG_DAGSTER_ERROR_H
#define DG_DAGSTER_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Append an error. CLS is the qualified class name ("dagster._core.errors.DagsterX");
 * `cls_name` is what stands behind its last dot, `message` "CLS: TEXT\n". CAUSE is an
 * error's text, or empty. */
void dg_error_add(
	struct dg_buf *out, const char *cls, struct dg_str text, struct dg_str cause);
/* Append an error that has a message only (cls_name null, no class before it). */
void dg_error_add_plain(struct dg_buf *out, struct dg_str message);

#define DG_CLS_EXCEPTION "Exception"
#define DG_CLS_CHECK "dagster_shared.check.functions.CheckError"
#define DG_CLS_DESERIALIZE "dagster_shared.serdes.errors.DeserializationError"
#define DG_CLS_UNREACHABLE "dagster._core.errors.DagsterUserCodeUnreachableError"
#define DG_CLS_CLOUD "dagster_cloud_cli.core.errors.DagsterCloudAgentServerError"
#define DG_CLS_LAUNCH_FAILED "dagster._core.errors.DagsterLaunchFailedError"

/* A call to a code server that did not succeed, as the Python client words it. STATUS is
 * gRPC's name ("UNAVAILABLE"), NULL when there was no answer of gRPC at all. SECONDS is
 * the deadline, for DEADLINE_EXCEEDED; SENSOR has words of its own then. DETAILS (the
 * server's message) goes into the cause. */
void dg_error_add_unreachable(struct dg_buf *out, const char *status, int64_t seconds,
	bool sensor, struct dg_str details);
/* No such server, or one that could not be loaded (ERROR). */
void dg_error_add_no_server(
	struct dg_buf *out, struct dg_str deployment, struct dg_str location);
void dg_error_add_server_failed(struct dg_buf *out, struct dg_str deployment,
	struct dg_str location, struct dg_str error);
/* An agent that may not serve the location. */
void dg_error_add_not_allowed(struct dg_buf *out, struct dg_str deployment,
	struct dg_str location, bool branch);
/* A request kind of old ("LAUNCH_STEP"). */
void dg_error_add_deprecated(struct dg_buf *out, const char *kind);

/* Is this value (any JSON) such an error? */
bool dg_error_is(struct dg_str value);
/* For people: message, stack and causes as Python prints them. */
void dg_error_text(struct dg_str error, struct dg_buf *out);
/* The first line of the message without its class, for a log; at most MAX bytes. */
void dg_error_line(struct dg_str error, size_t max, struct dg_buf *out);

/* Append ERROR cut to size as Dagster does: strings of more than LIMIT characters end in
 * "(TRUNCATED)", causes and contexts below DEPTH that are longer are replaced. */
void dg_error_truncate(struct dg_str error, size_t limit, int depth, struct dg_buf *out);
/* The (limit, depth) pairs in use. */
#define DG_ERROR_UPLOAD 500000, 5   /* location errors, errors in events */
#define DG_ERROR_HEARTBEAT 10000, 3 /* serializedErrors */
#define DG_ERROR_SERVER 5000, 2     /* code server heartbeats */

/* TimestampedError. */
void dg_error_add_timestamped(struct dg_buf *out, struct dg_str error, int64_t wall_usec);

#endif
