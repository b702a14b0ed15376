/* What a code server is sent of a request. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "dagster/args.h"

static const char *
from_table(void *arg, const char *name)
{
	const char *const *p = arg;

	for (; *p; p += 2)
		if (strcmp(*p, name) == 0)
			return p[1];
	return NULL;
}

Test(args, time_outs_come_from_the_environment)
{
	static const struct {
		const char *env[9];
		int64_t unary, repository, schedule, sensor;
	} rows[] = {
		{{NULL}, 60, 180, 60, 60},
		{{"DAGSTER_GRPC_TIMEOUT_SECONDS", "90", NULL}, 90, 180, 90, 90},
		{{"DAGSTER_GRPC_TIMEOUT_SECONDS", "300", NULL}, 300, 300, 300, 300},
		{{"DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS", "5",
			 "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "6",
			 "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "7", NULL},
			60, 5, 6, 7},
		{{"DAGSTER_GRPC_TIMEOUT_SECONDS", "",
			 "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "soon", NULL},
			60, 180, 60, 60},
		{{"DAGSTER_GRPC_TIMEOUT_SECONDS", "-1",
			 "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "9999999999999999999999",
			 NULL},
			60, 180, 60, 60},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_grpc_timeouts t =
			dg_grpc_timeouts(from_table, (void *)(uintptr_t)rows[i].env);

		cr_assert_eq(t.unary, rows[i].unary, "row %zu", i);
		cr_assert_eq(t.repository, rows[i].repository, "row %zu", i);
		cr_assert_eq(t.schedule, rows[i].schedule, "row %zu", i);
		cr_assert_eq(t.sensor, rows[i].sensor, "row %zu", i);
	}
}

Test(args, locations_of_every_kind)
{
#define ORIGIN(name) "{\"repository_location_origin\": {\"location_name\": " name "}}"
	static const struct {
		enum dg_request_where where;
		const char *args;
		bool found;
		const char *want;
	} rows[] = {
		{DG_WHERE_NONE, "{}", true, ""},
		{DG_WHERE_NAME, "{\"location_name\": \"a\"}", true, "a"},
		{DG_WHERE_NAME, "{\"location_name\": null}", false, ""},
		{DG_WHERE_NAME, "{}", false, ""},
		{DG_WHERE_REPO, "{\"repository_origin\": " ORIGIN("\"b\"") "}", true,
			"b"},
		{DG_WHERE_REPO, "{\"repository_origin\": 5}", false, ""},
		{DG_WHERE_JOB,
			"{\"pipeline_origin\": {\"external_repository_origin\": " ORIGIN(
				"\"c\"") "}}",
			true, "c"},
		{DG_WHERE_JOB, "{\"pipeline_origin\": {}}", false, ""},
		{DG_WHERE_LOCATION,
			"{\"repository_location_origin\": {\"location_name\": "
			"\"\\u00e9\"}}",
			true, "é"},
		{DG_WHERE_LOCATION, "{\"repository_location_origin\": []}", false, ""},
	};
#undef ORIGIN

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;

		cr_assert_eq(dg_args_location(dg_str(rows[i].args), rows[i].where, &b),
			rows[i].found, "row %zu", i);
		cr_assert_str_eq(b.p ? b.p : "", rows[i].want);
	}
}

Test(args, composed_arguments)
{
	static const struct dg_grpc_timeouts t = {60, 180, 61, 62};
	static const struct {
		enum dg_request_kind kind;
		const char *args, *want; /* NULL: refused */
	} rows[] = {
		{DG_REQ_GET_EXTERNAL_PARTITION_NAMES,
			"{ \"x\":1 , \"instance_ref\":null}",
			"{ \"x\":1 , \"instance_ref\":null}"},
		{DG_REQ_GET_EXTERNAL_EXECUTION_PLAN,
			"{\"instance_ref\": null, \"z\": 1.0}",
			"{\"instance_ref\": REF, \"z\": 1.0}"},
		{DG_REQ_GET_EXTERNAL_SCHEDULE_EXECUTION_DATA, "{\"a\": 1, \"z\": 2}",
			"{\"a\": 1, \"instance_ref\": REF, \"z\": 2}"},
		{DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA,
			"{\"instance_ref\": 1, \"timeout\": null}",
			"{\"instance_ref\": REF, \"timeout\": 62}"},
		{DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA,
			"{\"last_completion_time\": 1.0, \"last_tick_completion_time\": "
			"2.0, "
			"\"timeout\": 5}",
			"{\"instance_ref\": REF, \"last_completion_time\": 2.0, "
			"\"last_tick_completion_time\": 2.0, \"timeout\": 5}"},
		{DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA,
			"{\"last_completion_time\": 1.0, \"timeout\": 5}",
			"{\"instance_ref\": REF, \"last_completion_time\": 1.0, "
			"\"last_tick_completion_time\": 1.0, \"timeout\": 5}"},
		{DG_REQ_GET_EXTERNAL_NOTEBOOK_DATA, "{\"notebook_path\": \"/a\\u00e9\"}",
			"/aé"},
		{DG_REQ_GET_EXTERNAL_NOTEBOOK_DATA, "{\"notebook_path\": 5}", NULL},
		{DG_REQ_GET_EXTERNAL_NOTEBOOK_DATA, "{}", NULL},
		{DG_REQ_GET_EXTERNAL_PARTITION_NAMES, "[]", NULL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;
		struct dg_err e;
		int r = dg_args_compose(
			rows[i].kind, dg_str(rows[i].args), DG_STR("REF"), &t, &b, &e);

		cr_assert_eq(r, rows[i].want ? 0 : -DG_USER, "row %zu", i);
		if (rows[i].want)
			cr_assert_str_eq(b.p, rows[i].want, "row %zu: %s", i, b.p);
	}
}

Test(args, a_time_out_that_can_be_added_to_a_clock)
{
	static const struct dg_grpc_timeouts t = {60, 180, 61, 62};
	static const struct {
		enum dg_request_kind kind;
		const char *args;
		int64_t want;
	} rows[] = {
		{DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA, "{\"timeout\": -5}", 0},
		{DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA, "{\"timeout\": 9e9}", 62},
		{DG_REQ_GET_EXTERNAL_SCHEDULE_EXECUTION_DATA,
			"{\"timeout\": 9223372036854775807}", 1000000},
		{DG_REQ_GET_EXTERNAL_PARTITION_NAMES, "{\"timeout\": 5}", 60},
		{DG_REQ_UNKNOWN, "{}", 60},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_args_deadline(rows[i].kind, dg_str(rows[i].args), &t),
			rows[i].want, "row %zu", i);
}

static void
join(void *arg, struct dg_str key)
{
	dg_buf_addstr(arg, key);
	dg_buf_addc(arg, '|');
}

Test(args, keys_of_component_state)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_err e;

	cr_assert_eq(
		dg_args_state_keys(DG_STR("{\"defs_state_keys\": [\"a\", \"\\u00e9\"]}"),
			join, &b, &e),
		0);
	cr_assert_str_eq(b.p, "a|é|");
	cr_assert_eq(
		dg_args_state_keys(DG_STR("{\"defs_state_keys\": []}"), join, &b, &e), 0);
	cr_assert_eq(dg_args_state_keys(DG_STR("{}"), join, &b, &e), -DG_USER);
	cr_assert_eq(
		dg_args_state_keys(DG_STR("{\"defs_state_keys\": [1]}"), join, &b, &e),
		-DG_USER);
}
