/* What an answer says, in the order that the Python agent looks. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "cloud/reply.h"
#include "cloud/repr.h"

Test(reply, graphql)
{
	static const struct {
		int status;
		const char *body;
		enum dg_outcome want;
		const char *detail;
	} rows[] = {
		{200, "{\"data\": {}}", DG_OUTCOME_OK, ""},
		{200, " {\"data\": null} ", DG_OUTCOME_OK, ""},
		{500, "{\"data\": {}}", DG_OUTCOME_OK, ""},
		{200, "{\"data\": {}, \"errors\": [1]}", DG_OUTCOME_ERRORS, "[1]"},
		{503, "{\"errors\": []}", DG_OUTCOME_ERRORS, "[]"},
		{503, "{\"maintenance\": {}, \"errors\": []}", DG_OUTCOME_MAINTENANCE,
			""},
		{200, "{}", DG_OUTCOME_UNEXPECTED, "{}"},
		{200, "[{\"data\": 1}]", DG_OUTCOME_UNEXPECTED, "[{\"data\": 1}]"},
		{200, "{\"data\": ", DG_OUTCOME_UNEXPECTED, "{\"data\":"},
		{200, "", DG_OUTCOME_UNEXPECTED, ""},
		{404, "nothing", DG_OUTCOME_STATUS, "nothing"},
		{500, "{}", DG_OUTCOME_STATUS, "{}"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_reply r =
			dg_reply_graphql(rows[i].status, dg_str(rows[i].body));

		cr_assert_eq(r.outcome, rows[i].want, "row %zu", i);
		cr_assert(dg_str_is(r.detail, rows[i].detail), "row %zu: %.*s", i,
			DG_FMT(r.detail));
	}
}

Test(reply, maintenance_says_for_how_long)
{
	struct dg_reply r =
		dg_reply_graphql(200, DG_STR("{\"maintenance\": {\"timeout\": 3600, "
					     "\"retry_interval\": 1.5}}"));

	cr_assert_eq(r.interval, DG_SEC * 3 / 2);
	cr_assert_eq(r.timeout, 3600 * DG_SEC);
	r = dg_reply_rest(200, DG_STR("{\"maintenance\": {\"timeout\": -1, "
				      "\"retry_interval\": null}}"));
	cr_assert_eq(r.outcome, DG_OUTCOME_MAINTENANCE);
	cr_assert_eq(r.interval, 0);
	cr_assert_eq(r.timeout, 0);
	r = dg_reply_graphql(200, DG_STR("{\"maintenance\": {\"timeout\": 1e300}}"));
	cr_assert_eq(r.timeout, 0);
}

Test(reply, rest)
{
	static const struct {
		int status;
		const char *body;
		enum dg_outcome want;
	} rows[] = {
		{200, "", DG_OUTCOME_OK},
		{204, "whatever", DG_OUTCOME_OK},
		{200, "{\"errors\": []}", DG_OUTCOME_OK},
		{503, "{\"maintenance\": {}}", DG_OUTCOME_MAINTENANCE},
		{302, "", DG_OUTCOME_STATUS},
		{404, "{}", DG_OUTCOME_STATUS},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_reply_rest(rows[i].status, dg_str(rows[i].body)).outcome,
			rows[i].want, "row %zu", i);
}

Test(reply, a_long_detail_is_cut_between_characters)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_reply r;

	for (int i = 0; i < 1999; i++)
		dg_buf_addc(&b, 'x');
	dg_buf_adds(&b, "\xc3\xa4 and more");
	r = dg_reply_rest(400, dg_buf_str(&b));
	cr_assert_eq(r.detail.n, 1999);
}

Test(reply, classes_and_texts)
{
	static const struct {
		enum dg_outcome outcome;
		enum dg_http_error error;
		int status, cls;
		const char *text;
	} rows[] = {
		{DG_OUTCOME_OK, 0, 200, 0, ""},
		{DG_OUTCOME_TRANSPORT, DG_HTTP_DNS, 0, DG_TRANSPORT,
			"the control plane cannot be reached (dns): why"},
		{DG_OUTCOME_TRANSPORT, DG_HTTP_TOO_LARGE, 200, DG_LIMIT,
			"the control plane cannot be reached (too large): why"},
		{DG_OUTCOME_STATUS, 0, 401, DG_DENIED,
			"the control plane answered HTTP 401: d"},
		{DG_OUTCOME_STATUS, 0, 403, DG_DENIED,
			"the control plane answered HTTP 403: d"},
		{DG_OUTCOME_STATUS, 0, 413, DG_LIMIT,
			"the control plane answered HTTP 413: d"},
		{DG_OUTCOME_STATUS, 0, 500, DG_TRANSPORT,
			"the control plane answered HTTP 500: d"},
		{DG_OUTCOME_STATUS, 0, 429, DG_TRANSPORT,
			"the control plane answered HTTP 429: d"},
		{DG_OUTCOME_STATUS, 0, 409, DG_TRANSPORT,
			"the control plane answered HTTP 409: d"},
		{DG_OUTCOME_STATUS, 0, 408, DG_TRANSPORT,
			"the control plane answered HTTP 408: d"},
		{DG_OUTCOME_STATUS, 0, 404, DG_USER,
			"the control plane answered HTTP 404: d"},
		{DG_OUTCOME_UNEXPECTED, 0, 200, DG_TRANSPORT,
			"Unexpected GraphQL response (HTTP 200): d"},
		{DG_OUTCOME_ERRORS, 0, 200, DG_USER, "Error in GraphQL response: d"},
		{DG_OUTCOME_MAINTENANCE, 0, 200, DG_TRANSPORT,
			"the control plane is in scheduled maintenance"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_reply r = {rows[i].outcome, 0, 0, DG_STR("d")};
		auto_buf b = DG_BUF_INIT;

		dg_reply_text(&r, rows[i].error, "why", rows[i].status, &b);
		cr_assert_str_eq(b.n ? b.p : "", rows[i].text, "row %zu", i);
		cr_assert_eq(dg_reply_class(&r, rows[i].error, rows[i].status),
			rows[i].cls, "row %zu", i);
	}
}

Test(reply, errors_are_told_as_python_prints_them)
{
	static const struct {
		const char *json, *repr;
	} rows[] = {
		{"[{\"message\": \"no\", \"n\": [1, 2.5, null, true, false]}, {}]",
			"[{'message': 'no', 'n': [1, 2.5, None, True, False]}, {}]"},
		{"\"it's\"", "\"it's\""},
		{"\"'\\\"\"", "'\\'\"'"},
		{"\"a\\\\b\\n\\r\\t\\u0001\\u007f\\u00e9\"",
			"'a\\\\b\\n\\r\\t\\x01\\x7f\303\251'"},
		{"\"\"", "''"},
		{"[{\"message\": \"cut", "[{\"message\": \"cut"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;

		dg_repr_add(&b, dg_str(rows[i].json));
		cr_assert_str_eq(b.p, rows[i].repr, "row %zu", i);
	}
}
