/* dagster/answer.c: see answer.h. */
#include "dagster/answer.h"

#include "base/mem.h"
#include "base/time.h"
#include "json/json.h"
#include "json/write.h"

static void
add_time(struct dg_jw *w, const char *key, int64_t wall_usec)
{
	char t[32];

	dg_jw_kraw(w, key, dg_str(dg_wall_json(wall_usec, t)));
}

static void
add_telemetry(struct dg_jw *w, const struct dg_telemetry *t)
{
	dg_jw_key(w, "thread_telemetry");
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__class__", "DagsterCloudApiThreadTelemetry");
	add_time(w, "submitted_to_executor_timestamp", t->submitted);
	add_time(w, "thread_end_handle_api_request_timestamp", t->ended);
	add_time(w, "thread_start_run_timestamp", t->started);
	dg_jw_close_object(w);
}

void
dg_answer_success(struct dg_buf *out, const struct dg_telemetry *t)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "DagsterCloudApiSuccess");
	add_telemetry(&w, t);
	dg_jw_close_object(&w);
}

void
dg_answer_error(struct dg_buf *out, struct dg_str error, const struct dg_telemetry *t)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "DagsterCloudApiErrorResponse");
	dg_jw_key(&w, "error_infos");
	dg_jw_open_array(&w);
	dg_jw_raw(&w, error);
	dg_jw_close_array(&w);
	add_telemetry(&w, t);
	dg_jw_close_object(&w);
}

void
dg_answer_unknown(struct dg_buf *out, struct dg_str api, const struct dg_telemetry *t)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "DagsterCloudApiUnknownCommandResponse");
	dg_jw_key(&w, "request_api");
	dg_jw_strn(&w, api);
	add_telemetry(&w, t);
	dg_jw_close_object(&w);
}

void
dg_answer_grpc_begin(struct dg_buf *out)
{
	dg_buf_adds(out, "{\"__class__\": \"DagsterCloudApiGrpcResponse\", "
			 "\"serialized_response_or_error\": \"");
}

void
dg_answer_grpc_end(struct dg_buf *out, const struct dg_telemetry *t)
{
	auto_buf tail = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&tail);

	dg_jw_open_object(&w);
	add_telemetry(&w, t);
	dg_jw_close_object(&w);
	dg_buf_adds(out, "\", ");
	dg_buf_addstr(out, dg_strn(tail.p + 1, tail.n - 1)); /* without its brace */
}

void
dg_answer_envelope_begin(struct dg_buf *out, struct dg_str api, struct dg_str request_id)
{
	dg_buf_adds(out, "{\"__class__\": \"DagsterCloudUploadApiResponse\", "
			 "\"request_api\": ");
	dg_json_add_str(out, api);
	dg_buf_adds(out, ", \"request_id\": ");
	dg_json_add_str(out, request_id);
	dg_buf_adds(out, ", \"response\": ");
}
