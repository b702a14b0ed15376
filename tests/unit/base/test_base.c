/* The leaves: buffers, UTF-8, maps, time as the wire wants it, back-off. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/backoff.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"

Test(str, utf8_is_judged_as_rfc_3629_says)
{
	static const struct {
		const char *text;
		size_t n;
		bool good;
	} rows[] = {
		{"plain", 5, true},
		{"\xc3\xa9", 2, true},
		{"\xe2\x82\xac", 3, true},
		{"\xf0\x9f\x98\x80", 4, true},
		{"\xf4\x8f\xbf\xbf", 4, true},
		{"\xf4\x90\x80\x80", 4, false},
		{"\xed\xa0\x80", 3, false},
		{"\xc0\x80", 2, false},
		{"\xe0\x80\x80", 3, false},
		{"\xf0\x80\x80\x80", 4, false},
		{"\xc3", 1, false},
		{"\xff", 1, false},
		{"a\0b", 3, true},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_str_utf8(dg_strn(rows[i].text, rows[i].n)), rows[i].good,
			"row %zu", i);
	cr_assert_eq(dg_str_chars(DG_STR("\xc3\xa9t\xc3\xa9")), 3);
}

Test(str, every_character_is_encoded_and_decoded)
{
	for (uint32_t cp = 0; cp <= 0x10ffff; cp += cp < 0x900 ? 1 : 61) {
		auto_buf b = DG_BUF_INIT;
		uint32_t back = 0;

		dg_buf_add_utf8(&b, cp);
		if (cp >= 0xd800 && cp <= 0xdfff)
			cr_assert_eq(dg_utf8_decode(dg_buf_str(&b), &back), 0);
		else
			cr_assert(dg_utf8_decode(dg_buf_str(&b), &back) == b.n &&
				  back == cp);
	}
	cr_assert_eq(dg_utf8_decode(DG_STR_NULL, &(uint32_t){0}), 0);
}

Test(str, a_buffer_grows_and_is_always_a_c_string)
{
	auto_buf b = DG_BUF_INIT;
	auto_buf reserved = DG_BUF_INIT;

	dg_buf_reserve(&reserved, 100);
	cr_assert_str_empty(reserved.p);

	for (int i = 0; i < 1000; i++)
		dg_buf_addf(&b, "%d,", i);
	cr_assert_eq(strlen(b.p), b.n);
	cr_assert_eq(b.n, 10 * 2 + 90 * 3 + 900 * 4);
	dg_buf_reset(&b);
	dg_buf_add(&b, "a\0b", 3);
	cr_assert_eq(b.n, 3);
	cr_assert_eq(b.p[3], '\0');
	for (size_t n = 0; n < 300; n += 60) { /* also when nothing was added yet */
		auto_buf empty = DG_BUF_INIT;

		dg_buf_reserve(&empty, n);
		cr_assert_str_eq(empty.p, "");
	}
}

Test(map, keeps_what_was_put_through_growth_and_deletion)
{
	struct dg_map m = DG_MAP_INIT;
	static int values[2000];
	size_t seen = 0;
	char key[16];

	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		cr_assert_null(dg_map_put(&m, dg_str(key), &values[i]));
	}
	for (int i = 0; i < 2000; i += 2) {
		snprintf(key, sizeof key, "k%d", i);
		cr_assert_eq(dg_map_del(&m, dg_str(key)), &values[i]);
		cr_assert_null(dg_map_del(&m, dg_str(key)));
	}
	cr_assert_eq(dg_map_count(&m), 1000);
	DG_MAP_EACH(&m, s)
	{
		seen++;
		dg_map_del(&m, dg_strn(s->key, s->n));
	}
	cr_assert_eq(seen, 1000);
	cr_assert_eq(dg_map_count(&m), 0);
	cr_assert_null(dg_map_put(&m, DG_STR(""), &values[1]));
	cr_assert_eq(dg_map_get(&m, DG_STR("")), &values[1]);
	dg_map_clear(&m);
}

Test(map, many_rounds_of_put_and_delete_stay_small)
{
	struct dg_map m = DG_MAP_INIT;
	char key[16];
	int v = 0;

	for (int i = 0; i < 100000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		dg_map_put(&m, dg_str(key), &v);
		cr_assert_eq(dg_map_del(&m, dg_str(key)), &v);
	}
	cr_assert_leq(m.cap, 16);
	dg_map_clear(&m);
}

Test(time, real_time_is_written_with_a_decimal_point)
{
	static const struct {
		int64_t usec;
		const char *text;
	} rows[] = {
		{0, "0.0"},
		{1700000000000000, "1700000000.0"},
		{1700000000500000, "1700000000.5"},
		{1700000000000001, "1700000000.000001"},
	};
	char buf[32];

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_str_eq(dg_wall_json(rows[i].usec, buf), rows[i].text);
}

Test(backoff, doubles_up_to_its_limit_and_starts_anew)
{
	struct dg_backoff b;

	dg_backoff_init(&b, 100, 350);
	cr_assert_eq(dg_backoff_fail(&b), 100);
	cr_assert_eq(dg_backoff_fail(&b), 200);
	cr_assert_eq(dg_backoff_fail(&b), 350);
	cr_assert_eq(dg_backoff_fail(&b), 350);
	dg_backoff_reset(&b);
	cr_assert_eq(dg_backoff_fail(&b), 100);
}

Test(err, reads_as_one_line)
{
	struct dg_err e;
	char buf[1024];

	cr_assert_eq(dg_fail(&e, DG_CONFIG, 0, "unknown key '%s'", "x"), -DG_CONFIG);
	dg_err_where(&e, "dagster.yaml:%d:%d", 3, 5);
	dg_err_next(&e, "did you mean 'y'?");
	dg_err_wrap(&e, "reading");
	cr_assert_str_eq(dg_err_text(&e, buf, sizeof buf),
		"dagster.yaml:3:5: reading: unknown key 'x'; did you mean 'y'?");
	cr_assert_eq(dg_fail(NULL, DG_USER, 0, "nobody listens"), -DG_USER);
}

Test(rand, a_uuid_says_that_it_is_version_4)
{
	char u[37], v[37];

	dg_uuid4(u);
	dg_uuid4(v);
	cr_assert_eq(strlen(u), 36);
	cr_assert_eq(u[14], '4');
	cr_assert(strchr("89ab", u[19]));
	cr_assert_str_neq(u, v);
}
