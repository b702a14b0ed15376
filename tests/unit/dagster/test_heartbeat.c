/* Metrics, and the short form after HTTP 413. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "dagster/heartbeat.h"
#include "json/json.h"

Test(heartbeat, metrics_of_a_server)
{
	auto_buf b = DG_BUF_INIT;

	cr_assert(dg_server_metrics(&b, dg_str(dg_server_metrics_none),
		DG_STR("{\"request_utilization\": {\"num_running_requests\": 3, "
		       "\"max_concurrent_requests\": 6}, \"\": 1}"),
		DG_STR("{\"process\": {}}")));
	cr_assert_eq(dg_server_metrics_running(dg_buf_str(&b)), 3);
	cr_assert_eq(dg_server_metrics_pool(dg_buf_str(&b)), 6);
	cr_assert_eq(dg_server_metrics_running(dg_str(dg_server_metrics_none)), -1);
	cr_assert_eq(dg_server_metrics_pool(DG_STR("{")), -1);
	dg_buf_reset(&b);
	cr_assert_not(dg_server_metrics(&b, DG_STR("{}"), DG_STR("{"), DG_STR("")));
	cr_assert_str_eq(b.p, "{}");
	dg_buf_reset(&b);
	cr_assert(dg_server_metrics(&b, DG_STR("{}"), DG_STR(""), DG_STR("")));
	cr_assert_str_eq(b.p, "{}");
	dg_buf_reset(&b);
	cr_assert(dg_server_metrics(&b, DG_STR("{}"), DG_STR("[1]"), DG_STR("")));
	cr_assert_str_eq(b.p, "{}");
}

Test(heartbeat, numbers_that_are_not_known_are_null)
{
	static const struct dg_container_metrics c = {
		0, -1, -1, -1, -1, 0, 0, -1, -1, -1};
	static const struct dg_request_metrics r = {-1, -1, -1};
	auto_buf b = DG_BUF_INIT;

	dg_agent_metrics(&b, &c, &r, DG_STR(""));
	cr_assert_str_eq(b.p, dg_agent_metrics_none);
}

Test(heartbeat, the_one_error_of_the_short_form)
{
	struct dg_heartbeats h;
	auto_buf b = DG_BUF_INIT;
	auto_buf error = DG_BUF_INIT;

	dg_heartbeats_begin(&h, &b);
	dg_heartbeats_deployment(&h, "a", DG_STR("12345"));
	dg_heartbeats_deployment(&h, "b", DG_STR("12"));
	dg_heartbeats_error(&h, DG_STR("123"));
	dg_heartbeats_error(&h, DG_STR("1"));
	dg_heartbeats_end(&h);
	cr_assert_str_eq(b.p,
		"{\"serializedAgentHeartbeats\": [{\"deploymentName\": \"a\", "
		"\"serializedAgentHeartbeat\": \"12345\"}, {\"deploymentName\": \"b\", "
		"\"serializedAgentHeartbeat\": \"12\"}], \"serializedErrors\": [\"123\", "
		"\"1\"]}");
	dg_heartbeats_too_big(&error, &h, 1000000);
	cr_assert_str_eq(error.p,
		"{\"__class__\": \"TimestampedError\", \"error\": {\"__class__\": "
		"\"SerializableErrorInfo\", \"cause\": null, \"cls_name\": null, "
		"\"context\": null, \"message\": \"Request with 7 heartbeat bytes and 4 "
		"error bytes was too large, submitting a smaller heartbeat without "
		"messages "
		"and stack traces.\", \"stack\": []}, \"timestamp\": 1.0}");
}
