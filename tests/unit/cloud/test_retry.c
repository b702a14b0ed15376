/* When to try again: every branch, with the jitter at its ends. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "cloud/retry.h"

#define WALL ((int64_t)1784000000 * 1000000)

static const struct dg_retry_ask base = {.outcome = DG_OUTCOME_STATUS,
	.tries = 1,
	.retries = 6,
	.backoff_factor = 0.5,
	.wall = WALL,
	.random = UINT32_MAX};

Test(retry, what_is_tried_again)
{
	enum { NO, AGAIN };
#define T DG_OUTCOME_TRANSPORT
#define S DG_OUTCOME_STATUS
	static const struct {
		enum dg_retry_policy policy;
		enum dg_outcome outcome;
		enum dg_http_error error;
		int status;
		bool idempotent;
		const char *after;
		int want;
	} rows[] = {
		{DG_RETRY_GRAPHQL, S, 0, 502, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, S, 0, 503, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, S, 0, 504, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, S, 0, 429, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, S, 0, 409, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, S, 0, 500, true, NULL, NO},
		{DG_RETRY_GRAPHQL, S, 0, 401, true, NULL, NO},
		{DG_RETRY_GRAPHQL, S, 0, 413, true, "3", NO},
		{DG_RETRY_GRAPHQL, DG_OUTCOME_UNEXPECTED, 0, 200, true, NULL, NO},
		{DG_RETRY_GRAPHQL, DG_OUTCOME_ERRORS, 0, 200, true, NULL, NO},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_CONNECT, 0, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_DNS, 0, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_TLS, 0, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_CONNECT_TIMEOUT, 0, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_RESET, 0, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_STALE, 0, false, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_READ_TIMEOUT, 0, false, NULL, NO},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_READ_TIMEOUT, 0, true, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_CUT, 0, false, NULL, NO},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_CUT, 0, true, NULL, AGAIN},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_TOO_LARGE, 0, true, NULL, NO},
		{DG_RETRY_GRAPHQL, T, DG_HTTP_OTHER, 0, true, NULL, NO},
		{DG_RETRY_REST, S, 0, 502, true, NULL, AGAIN},
		{DG_RETRY_REST, S, 0, 500, true, NULL, NO},
		{DG_RETRY_REST, S, 0, 413, true, NULL, NO},
		{DG_RETRY_REST, S, 0, 413, true, "3", AGAIN},
		{DG_RETRY_REST, S, 0, 404, true, "3", NO},
		{DG_RETRY_REST, T, DG_HTTP_READ_TIMEOUT, 0, true, NULL, AGAIN},
		{DG_RETRY_PRESIGNED, S, 0, 500, true, NULL, AGAIN},
		{DG_RETRY_PRESIGNED, S, 0, 403, true, NULL, NO},
		{DG_RETRY_DELIVER, S, 0, 500, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 599, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 429, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 408, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 401, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 403, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 409, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 302, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, S, 0, 400, true, NULL, NO},
		{DG_RETRY_DELIVER, S, 0, 404, true, NULL, NO},
		{DG_RETRY_DELIVER, S, 0, 413, true, NULL, NO},
		{DG_RETRY_DELIVER, S, 0, 413, true, "3", AGAIN},
		{DG_RETRY_DELIVER, S, 0, 422, true, NULL, NO},
		{DG_RETRY_DELIVER, T, DG_HTTP_READ_TIMEOUT, 0, true, NULL, AGAIN},
		{DG_RETRY_DELIVER, T, DG_HTTP_OTHER, 0, true, NULL, AGAIN},
		{DG_RETRY_NONE, S, 0, 503, true, NULL, NO},
		{DG_RETRY_NONE, T, DG_HTTP_CONNECT, 0, true, NULL, NO},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_retry_ask a = base;

		a.policy = rows[i].policy;
		a.outcome = rows[i].outcome;
		a.error = rows[i].error;
		a.status = rows[i].status;
		a.idempotent = rows[i].idempotent;
		a.retry_after = rows[i].after;
		cr_assert_eq(dg_retry(&a).act,
			rows[i].want ? DG_RETRY_AGAIN : DG_RETRY_FAIL, "row %zu", i);
	}
}

Test(retry, ok_is_done)
{
	struct dg_retry_ask a = base;

	a.outcome = DG_OUTCOME_OK;
	a.policy = DG_RETRY_DELIVER;
	cr_assert_eq(dg_retry(&a).act, DG_RETRY_DONE);
}

Test(retry, how_long)
{
	static const struct {
		enum dg_retry_policy policy;
		unsigned tries;
		dg_usec most; /* 0: at once; least is always 0: full jitter */
	} rows[] = {
		{DG_RETRY_GRAPHQL, 1, DG_SEC},
		{DG_RETRY_GRAPHQL, 2, 2 * DG_SEC},
		{DG_RETRY_GRAPHQL, 6, 32 * DG_SEC},
		{DG_RETRY_REST, 1, 0},
		{DG_RETRY_REST, 2, DG_SEC},
		{DG_RETRY_REST, 3, 2 * DG_SEC},
		{DG_RETRY_REST, 6, 16 * DG_SEC},
		{DG_RETRY_DELIVER, 1, 0},
		{DG_RETRY_DELIVER, 3, 2 * DG_SEC},
		{DG_RETRY_DELIVER, 20, DG_RETRY_DELIVER_MAX},
		{DG_RETRY_DELIVER, 4000000000u, DG_RETRY_DELIVER_MAX},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_retry_ask a = base;
		struct dg_retry_answer r;

		a.status = 503;
		a.policy = rows[i].policy;
		a.tries = rows[i].tries;
		r = dg_retry(&a);
		cr_assert_eq(r.act, DG_RETRY_AGAIN, "row %zu", i);
		cr_assert_leq(r.wait, rows[i].most, "row %zu", i);
		cr_assert_geq(r.wait + 1000, rows[i].most, "row %zu", i);
		a.random = 0;
		cr_assert_eq(dg_retry(&a).wait, 0, "row %zu", i);
	}
}

Test(retry, how_often)
{
	static const struct {
		enum dg_retry_policy policy;
		int status;
		unsigned tries;
		dg_usec elapsed, patience;
		int64_t give_up;
		enum dg_retry_act want;
	} rows[] = {
		{DG_RETRY_GRAPHQL, 503, 6, 0, 0, 0, DG_RETRY_AGAIN},
		{DG_RETRY_GRAPHQL, 503, 7, 0, 0, 0, DG_RETRY_FAIL},
		{DG_RETRY_GRAPHQL, 503, 7, 59, 60, 0, DG_RETRY_AGAIN},
		{DG_RETRY_GRAPHQL, 503, 7, 60, 60, 0, DG_RETRY_FAIL},
		{DG_RETRY_GRAPHQL, 503, 1, 0, 0, WALL - 1, DG_RETRY_FAIL},
		{DG_RETRY_GRAPHQL, 401, 1, 59, 60, 0, DG_RETRY_AGAIN},
		{DG_RETRY_GRAPHQL, 401, 1, 60, 60, 0, DG_RETRY_FAIL},
		{DG_RETRY_REST, 403, 90, 59, 60, 0, DG_RETRY_AGAIN},
		{DG_RETRY_REST, 500, 1, 59, 60, 0, DG_RETRY_AGAIN},
		{DG_RETRY_REST, 408, 1, 59, 60, 0, DG_RETRY_AGAIN},
		{DG_RETRY_REST, 404, 1, 59, 60, 0, DG_RETRY_FAIL},
		{DG_RETRY_PRESIGNED, 403, 1, 59, 60, 0, DG_RETRY_FAIL},
		{DG_RETRY_PRESIGNED, 401, 1, 59, 60, 0, DG_RETRY_FAIL},
		{DG_RETRY_DELIVER, 503, 1000, 0, 0, 0, DG_RETRY_AGAIN},
		{DG_RETRY_DELIVER, 503, 1000, 0, 0, WALL, DG_RETRY_AGAIN},
		{DG_RETRY_DELIVER, 503, 1, 0, 0, WALL - 1, DG_RETRY_FAIL},
		{DG_RETRY_DELIVER, 409, 6, 0, 0, 0, DG_RETRY_AGAIN},
		{DG_RETRY_DELIVER, 409, 7, 0, 0, 0, DG_RETRY_FAIL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_retry_ask a = base;

		a.policy = rows[i].policy;
		a.status = rows[i].status;
		a.tries = rows[i].tries;
		a.elapsed = rows[i].elapsed;
		a.patience = rows[i].patience;
		a.give_up = rows[i].give_up;
		cr_assert_eq(dg_retry(&a).act, rows[i].want, "row %zu", i);
	}
}

Test(retry, a_dead_kept_connection_is_replaced_at_once_but_once)
{
	struct dg_retry_ask a = base;

	a.policy = DG_RETRY_GRAPHQL;
	a.outcome = DG_OUTCOME_TRANSPORT;
	a.error = DG_HTTP_STALE;
	a.idempotent = true;
	cr_assert_eq(dg_retry(&a).act, DG_RETRY_AGAIN);
	cr_assert_eq(dg_retry(&a).wait, 0);
	a.tries = 2;
	cr_assert_gt(dg_retry(&a).wait, 0);
	a.tries = 1;
	a.idempotent = false;
	cr_assert_gt(dg_retry(&a).wait, 0);
}

Test(retry, retry_after)
{
	static const struct {
		const char *value;
		bool want;
		dg_usec wait;
	} rows[] = {
		{NULL, false, 0},
		{"", false, 0},
		{"x", false, 0},
		{"0", false, 0},
		{"7", true, 7 * DG_SEC},
		{" 7 ", true, 7 * DG_SEC},
		{"7.5", false, 0},
		{"-7", false, 0},
		{"301", true, DG_RETRY_AFTER_MAX},
		{"99999999999999999999", true, DG_RETRY_AFTER_MAX},
		{"Tue, 14 Jul 2026 03:33:30 GMT", true, 10 * DG_SEC},
		{"Tue, 14 Jul 2026 03:33:10 GMT", false, 0},
		{"Tue, 14 Jul 2026 13:33:20 GMT", true, DG_RETRY_AFTER_MAX},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		dg_usec wait = 0;

		cr_assert_eq(dg_retry_after(rows[i].value, WALL, &wait), rows[i].want,
			"row %zu", i);
		cr_assert_eq(wait, rows[i].wait, "row %zu: %zu", i, (size_t)wait);
	}
}

Test(retry, retry_after_goes_before_our_own_time)
{
	struct dg_retry_ask a = base;
	struct dg_retry_answer r;

	a.policy = DG_RETRY_REST;
	a.status = 429;
	a.retry_after = "9";
	r = dg_retry(&a);
	cr_assert_eq(r.act, DG_RETRY_AGAIN);
	cr_assert_eq(r.wait, 9 * DG_SEC);
	cr_assert(r.asked);
	a.policy = DG_RETRY_NONE;
	r = dg_retry(&a);
	cr_assert_eq(r.act, DG_RETRY_FAIL);
	cr_assert_eq(r.wait, 9 * DG_SEC);
}

Test(retry, maintenance_is_waited_for)
{
	struct dg_retry_ask a = base;
	struct dg_retry_answer r;

	a.policy = DG_RETRY_GRAPHQL;
	a.outcome = DG_OUTCOME_MAINTENANCE;
	a.tries = 1000;
	a.elapsed = DG_MAINTENANCE_TIMEOUT;
	r = dg_retry(&a);
	cr_assert_eq(r.act, DG_RETRY_AGAIN);
	cr_assert_eq(r.wait, DG_MAINTENANCE_INTERVAL);
	a.elapsed++;
	cr_assert_eq(dg_retry(&a).act, DG_RETRY_FAIL);
	a.policy = DG_RETRY_DELIVER;
	cr_assert_eq(dg_retry(&a).act, DG_RETRY_AGAIN);
	a.give_up = WALL - 1;
	cr_assert_eq(dg_retry(&a).act, DG_RETRY_FAIL);
	a.policy = DG_RETRY_NONE;
	a.give_up = 0;
	a.interval = 7 * DG_SEC;
	a.timeout = DG_SEC;
	r = dg_retry(&a);
	cr_assert_eq(r.act, DG_RETRY_FAIL);
	cr_assert_eq(r.wait, 7 * DG_SEC);
	a.interval = DG_RETRY_AFTER_MAX + 1;
	cr_assert_eq(dg_retry(&a).wait, DG_RETRY_AFTER_MAX);
}
