/* dagster/answer.h: what a request is answered with: the response object and the envelope
 * it is uploaded in. Pure.
 *
 * The launcher composes the response, the ledger keeps it, the reporter puts the envelope
 * around it. Keys are sorted and escapes are json.dumps's, so that the bytes are those of
 * the Python agent.
 */
#ifndef DG_DAGSTER_ANSWER_H
#define DG_DAGSTER_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Real time, microseconds: popped, work began, work ended. */
struct dg_telemetry {
	int64_t submitted, started, ended;
};

void dg_answer_success(struct dg_buf *out, const struct dg_telemetry *t);
/* ERROR: the text of a SerializableErrorInfo (dagster/error.h). */
void dg_answer_error(
	struct dg_buf *out, struct dg_str error, const struct dg_telemetry *t);
void dg_answer_unknown(
	struct dg_buf *out, struct dg_str api, const struct dg_telemetry *t);

/* A code server's reply, passed on as text: _begin, the reply through dagster/escape.h in
 * any number of pieces, _end. */
void dg_answer_grpc_begin(struct dg_buf *out);
void dg_answer_grpc_end(struct dg_buf *out, const struct dg_telemetry *t);

/* DagsterCloudUploadApiResponse: what stands before the response; behind it comes "}". */
void dg_answer_envelope_begin(
	struct dg_buf *out, struct dg_str api, struct dg_str request_id);
#define DG_ANSWER_ENVELOPE_END "}"
/* The batch: begin, envelopes with ", " between them, end. */
#define DG_ANSWER_BATCH_BEGIN                                                            \
	"{\"__class__\": \"BatchDagsterCloudUploadApiResponse\", \"batch\": ["
#define DG_ANSWER_BATCH_END "]}"

#endif
