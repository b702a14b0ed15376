/* dagster/args.c: see args.h. */
#include "dagster/args.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"
#include "json/splice.h"

#define TIMEOUT_MAX 1000000 /* seconds: eleven days */

static int64_t
seconds(const char *value, int64_t unset)
{
	char *end;
	long long v;

	if (!value || !*value)
		return unset;
	errno = 0;
	v = strtoll(value, &end, 10);
	return errno || *end || v <= 0 || v > TIMEOUT_MAX ? unset : v;
}

struct dg_grpc_timeouts
dg_grpc_timeouts(const char *(*get)(void *arg, const char *name), void *arg)
{
	struct dg_grpc_timeouts t;

	t.unary = seconds(get(arg, "DAGSTER_GRPC_TIMEOUT_SECONDS"), 60);
	t.repository = seconds(get(arg, "DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS"),
		t.unary > 180 ? t.unary : 180);
	t.schedule = seconds(get(arg, "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS"), t.unary);
	t.sensor = seconds(get(arg, "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"), t.unary);
	return t;
}

int
dg_args(struct dg_str body, struct dg_str *args, struct dg_err *e)
{
	int r = dg_json_check(body, DG_JSON_DEPTH_MAX, e);

	if (r < 0)
		return dg_err_wrap(e, "requestBody");
	if (!dg_json_member(body, "request_args", args) ||
		dg_json_type(*args) != DG_JSON_OBJECT)
		return dg_fail(e, DG_USER, 0, "request_args is no object");
	return 0;
}

static bool
location_name(struct dg_str origin, struct dg_buf *out)
{
	struct dg_str v;

	return dg_json_member(origin, "location_name", &v) && dg_json_decode(v, out);
}

bool
dg_args_location(struct dg_str args, enum dg_request_where where, struct dg_buf *out)
{
	struct dg_str origin;

	switch (where) {
	case DG_WHERE_NAME:
		return location_name(args, out);
	case DG_WHERE_JOB:
		return dg_json_path(args, &origin, "pipeline_origin",
			       "external_repository_origin", "repository_location_origin",
			       NULL) &&
		       location_name(origin, out);
	case DG_WHERE_REPO:
		return dg_json_path(args, &origin, "repository_origin",
			       "repository_location_origin", NULL) &&
		       location_name(origin, out);
	case DG_WHERE_LOCATION:
		return dg_json_member(args, "repository_location_origin", &origin) &&
		       location_name(origin, out);
	case DG_WHERE_NONE:
		break;
	}
	return true;
}

int64_t
dg_args_deadline(
	enum dg_request_kind kind, struct dg_str args, const struct dg_grpc_timeouts *t)
{
	const struct dg_request_row *row = dg_request_row(kind);
	int64_t own = 0;
	bool said = dg_json_member_int(args, "timeout", &own);

	/* Whatever it says, it can be added to a clock. */
	own = own < 0 ? 0 : own > TIMEOUT_MAX ? TIMEOUT_MAX : own;

	switch (row ? row->deadline : DG_DL_UNARY) {
	case DG_DL_SCHEDULE:
		return said ? own : t->schedule;
	case DG_DL_SENSOR:
		return said ? own : t->sensor;
	case DG_DL_REFRESH:
		return DG_REFRESH_TIMEOUT;
	case DG_DL_UNARY:
		break;
	}
	return t->unary;
}

/* A copy of *CUR with KEY set, in OUT; *CUR becomes it. */
static void
set(struct dg_str *cur, const char *key, struct dg_str value, struct dg_buf *out)
{
	dg_json_splice(*cur, key, value, out);
	*cur = dg_buf_str(out);
}

static bool
given(struct dg_str object, const char *key, struct dg_str *ret)
{
	return dg_json_member(object, key, ret) && !dg_json_is_null(*ret);
}

/* What SensorExecutionArgs does to itself when it is made: the time of the last tick is
 * known under two names (old servers read one of them), and an absent time-out is set. */
static void
sensor(struct dg_str *cur, const struct dg_grpc_timeouts *t, struct dg_buf step[3])
{
	static const char tick[] = "last_tick_completion_time";
	static const char run[] = "last_completion_time";
	struct dg_str v;
	auto_buf n = DG_BUF_INIT;

	if (given(*cur, tick, &v)) {
		struct dg_str other;

		if (!given(*cur, run, &other) || !dg_str_eq(other, v))
			set(cur, run, v, &step[0]);
	} else if (given(*cur, run, &v))
		set(cur, tick, v, &step[0]);
	if (!given(*cur, "timeout", &v)) {
		dg_buf_addf(&n, "%lld", (long long)t->sensor);
		set(cur, "timeout", dg_buf_str(&n), &step[1]);
	}
}

int
dg_args_compose(enum dg_request_kind kind, struct dg_str args, struct dg_str ref,
	const struct dg_grpc_timeouts *t, struct dg_buf *out, struct dg_err *e)
{
	const struct dg_request_row *row = dg_request_row(kind);
	struct dg_buf step[3] = {DG_BUF_INIT, DG_BUF_INIT, DG_BUF_INIT};
	struct dg_str cur = args, path;

	DG_ASSERT(row);
	if (row->arg == DG_ARG_NOTEBOOK) {
		if (!dg_json_member(args, "notebook_path", &path) ||
			!dg_json_decode(path, out))
			return dg_fail(
				e, DG_USER, 0, "the arguments name no notebook_path");
		return 0;
	}
	if (dg_json_type(args) != DG_JSON_OBJECT)
		return dg_fail(e, DG_USER, 0, "request_args is no object");
	if (kind == DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA)
		sensor(&cur, t, step);
	if (row->ref)
		set(&cur, "instance_ref", ref, &step[2]);
	dg_buf_addstr(out, cur);
	for (size_t i = 0; i < DG_N(step); i++)
		dg_buf_clear(&step[i]);
	return 0;
}

int
dg_args_state_keys(struct dg_str args, void (*fn)(void *arg, struct dg_str key),
	void *arg, struct dg_err *e)
{
	struct dg_str list, item;
	struct dg_json_iter it;

	if (!dg_json_member(args, "defs_state_keys", &list) ||
		dg_json_type(list) != DG_JSON_ARRAY)
		return dg_fail(e, DG_USER, 0, "defs_state_keys is no list");
	for (it = dg_json_iter(list); dg_json_next_item(&it, &item);) {
		auto_buf key = DG_BUF_INIT;

		if (!dg_json_decode(item, &key))
			return dg_fail(e, DG_USER, 0,
				"defs_state_keys has an item that is "
				"no string");
		fn(arg, dg_buf_str(&key));
	}
	return 0;
}
