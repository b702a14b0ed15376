/* What a code server says of its use. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "dagster/server_metrics.h"

Test(server_metrics, fresh_ones_over_old_ones)
{
	auto_buf b = DG_BUF_INIT;

	cr_assert(dg_server_metrics(&b, dg_str(dg_server_metrics_none),
		DG_STR("{\"request_utilization\": {\"num_running_requests\": 3, "
		       "\"max_concurrent_requests\": 6}, \"\": 1}"),
		DG_STR("{\"process\": {}}")));
	cr_assert_eq(dg_server_metrics_running(dg_buf_str(&b)), 3);
	cr_assert_eq(dg_server_metrics_running(dg_str(dg_server_metrics_none)), -1);
	cr_assert_eq(dg_server_metrics_running(DG_STR("{")), -1);
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
