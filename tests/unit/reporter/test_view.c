/* The mirror of STATE rows, and the ring of errors. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "reporter/trouble.h"
#include "reporter/view.h"

static struct dg_view v;

static bool
set(enum dg_state_kind k, const char *key, const char *body)
{
	struct dg_msg_state m = {.kind = k,
		.gone = body == NULL,
		.key = dg_str(key),
		.body = {body ? body : "", body ? strlen(body) : 0, -1}};

	return dg_view_set(&v, &m);
}

Test(view, rows_come_change_and_go)
{
	dg_view_init(&v);
	cr_assert(set(DG_STATE_RUN, "r", "{\"a\": 1}"));
	cr_assert(dg_str_is(dg_view_get(&v, DG_STATE_RUN, "r"), "{\"a\": 1}"));
	cr_assert(set(DG_STATE_RUN, "r", " {\"a\": 2} "));
	cr_assert(dg_str_is(dg_view_get(&v, DG_STATE_RUN, "r"), "{\"a\": 2}"));
	cr_assert_not(set(DG_STATE_RUN, "r", "[]"));
	cr_assert_not(set(DG_STATE_RUN, "r", "{"));
	cr_assert_not(set(DG_STATE_COUNT, "r", "{}"));
	cr_assert(set(DG_STATE_RUN, "r", NULL));
	cr_assert(set(DG_STATE_RUN, "r", NULL));
	cr_assert_eq(dg_view_get(&v, DG_STATE_RUN, "r").n, 0);
	cr_assert_eq(dg_view_launcher(&v).n, 0);
	set(DG_STATE_ROLE, "ledger:", "{}");
	set(DG_STATE_ROLE, "launcher:process", "{\"ready\": true}");
	cr_assert(dg_str_is(dg_view_launcher(&v), "{\"ready\": true}"));
	dg_view_clear(&v);
}

Test(view, news_is_what_a_heartbeat_would_say_otherwise)
{
	static const struct {
		enum dg_state_kind kind;
		const char *body;
		bool news;
	} rows[] = {
		{DG_STATE_LOCATION, "{\"status\": \"STARTING\", \"held\": 1}", true},
		{DG_STATE_LOCATION, "{\"status\": \"STARTING\", \"held\": 2}", false},
		{DG_STATE_LOCATION, "{\"status\": \"RUNNING\", \"held\": 2}", true},
		{DG_STATE_LOCATION, "{\"status\": \"RUNNING\", \"error\": {}}", true},
		{DG_STATE_LOCATION, NULL, true},
		{DG_STATE_LOCATION, NULL, false},
		{DG_STATE_RUN, "{\"status\": \"FAILED\"}", true},
		{DG_STATE_RUN, "{\"status\": \"FAILED\", \"message\": \"x\"}", true},
		{DG_STATE_SERVER, "{\"status\": \"x\"}", false},
		{DG_STATE_DEPLOYMENT, "{\"status\": \"x\"}", false},
	};

	dg_view_init(&v);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		v.news = false;
		set(rows[i].kind, "k", rows[i].body);
		cr_assert_eq(v.news, rows[i].news, "row %zu", i);
	}
	dg_view_clear(&v);
}

Test(view, what_a_new_ledger_does_not_say_again_goes_after_a_while)
{
	dg_view_init(&v);
	dg_view_linked(&v, DG_SEC);
	set(DG_STATE_DEPLOYMENT, "a", "{}");
	set(DG_STATE_DEPLOYMENT, "b", "{}");
	dg_view_sweep(&v, DG_SEC + DG_VIEW_SETTLE);
	cr_assert_eq(dg_map_count(&v.rows[DG_STATE_DEPLOYMENT]), 2);
	dg_view_linked(&v, 100 * DG_SEC);
	set(DG_STATE_DEPLOYMENT, "b", "{}");
	dg_view_sweep(&v, 100 * DG_SEC + DG_VIEW_SETTLE - 1);
	cr_assert_eq(dg_map_count(&v.rows[DG_STATE_DEPLOYMENT]), 2);
	dg_view_sweep(&v, 100 * DG_SEC + DG_VIEW_SETTLE);
	cr_assert_eq(dg_map_count(&v.rows[DG_STATE_DEPLOYMENT]), 1);
	cr_assert_eq(dg_view_get(&v, DG_STATE_DEPLOYMENT, "a").n, 0);
	dg_view_clear(&v);
}

#define DAY DG_TROUBLE_AGE
#define ERROR(m)                                                                         \
	"{\"__class__\": \"SerializableErrorInfo\", \"cause\": null, \"cls_name\": "     \
	"null, \"context\": null, \"message\": \"" m "\", \"stack\": []}"

Test(trouble, a_ring_of_the_newest)
{
	struct dg_troubles t;
	auto_buf b = DG_BUF_INIT;
	size_t chars;

	dg_troubles_init(&t, 3);
	dg_troubles_json(&t, DAY, &b, &chars);
	cr_assert_str_eq(b.p, "[]");
	cr_assert_eq(chars, 0);
	cr_assert_not(dg_troubles_add(&t, 1, DG_STR("{}")));
	cr_assert_not(dg_troubles_add(&t, 1, DG_STR("{")));
	cr_assert(dg_troubles_add(&t, 1500000, DG_STR(ERROR("abcd"))));
	cr_assert_not(dg_troubles_add(&t, 1500000, DG_STR(ERROR("abcd"))));
	dg_buf_reset(&b);
	dg_troubles_json(&t, DAY, &b, &chars);
	cr_assert_str_eq(b.p,
		"[\"{\\\"__class__\\\": \\\"TimestampedError\\\", \\\"error\\\": "
		"{\\\"__class__\\\": \\\"SerializableErrorInfo\\\", \\\"cause\\\": null, "
		"\\\"cls_name\\\": null, \\\"context\\\": null, \\\"message\\\": \\\"abc "
		"(TRUNCATED)\\\", \\\"stack\\\": []}, \\\"timestamp\\\": 1.5}\"]");
	cr_assert_eq(chars, 193);
	for (int i = 0; i < 30; i++)
		cr_assert(dg_troubles_add(
			&t, DAY + (int64_t)i * 1000000, DG_STR(ERROR("x"))));
	cr_assert_eq(t.n, DG_TROUBLE_MAX);
	cr_assert_eq(t.ring[0].wall, DAY + 29000000);
	cr_assert_eq(t.ring[DG_TROUBLE_MAX - 1].wall, DAY + 5000000);
	dg_buf_reset(&b);
	dg_troubles_json(&t, 2 * DAY + 28000000, &b, &chars); /* only one is young */
	cr_assert(strstr(b.p, "86429.0}\"]"));
	cr_assert_null(strstr(b.p, "\", \""));
	dg_troubles_clear(&t);
}
