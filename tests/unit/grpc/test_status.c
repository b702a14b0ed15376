/* Status codes, messages in percent escapes, time-outs as text. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "base/mem.h"
#include "grpc/status.h"

Test(status, names_and_numbers)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {{"0", DG_GRPC_OK}, {"4", DG_GRPC_DEADLINE_EXCEEDED},
		{"14", DG_GRPC_UNAVAILABLE}, {"16", DG_GRPC_UNAUTHENTICATED},
		{"17", DG_GRPC_UNKNOWN}, {"", DG_GRPC_UNKNOWN}, {"x", DG_GRPC_UNKNOWN},
		{"-1", DG_GRPC_UNKNOWN}, {"007", DG_GRPC_UNKNOWN}};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_grpc_status_parse(dg_str(rows[i].text)), rows[i].want);
	cr_assert_str_eq(dg_grpc_status_name(DG_GRPC_UNIMPLEMENTED), "UNIMPLEMENTED");
	cr_assert_str_eq(dg_grpc_status_name(-1), "UNKNOWN");
	cr_assert_str_eq(dg_grpc_status_name(99), "UNKNOWN");
}

Test(status, of_http_and_to_classes)
{
	static const int http[][2] = {{400, DG_GRPC_INTERNAL},
		{401, DG_GRPC_UNAUTHENTICATED}, {403, DG_GRPC_PERMISSION_DENIED},
		{404, DG_GRPC_UNIMPLEMENTED}, {429, DG_GRPC_UNAVAILABLE},
		{502, DG_GRPC_UNAVAILABLE}, {503, DG_GRPC_UNAVAILABLE},
		{504, DG_GRPC_UNAVAILABLE}, {500, DG_GRPC_UNKNOWN},
		{200, DG_GRPC_UNKNOWN}};
	static const int classes[][2] = {{DG_GRPC_OK, 0},
		{DG_GRPC_UNAVAILABLE, DG_TRANSPORT},
		{DG_GRPC_DEADLINE_EXCEEDED, DG_TRANSPORT},
		{DG_GRPC_CANCELLED, DG_TRANSPORT}, {DG_GRPC_RESOURCE_EXHAUSTED, DG_LIMIT},
		{DG_GRPC_PERMISSION_DENIED, DG_DENIED}, {DG_GRPC_UNKNOWN, DG_USER},
		{DG_GRPC_UNIMPLEMENTED, DG_USER}};

	for (size_t i = 0; i < DG_N(http); i++)
		cr_assert_eq(dg_grpc_status_of_http(http[i][0]), http[i][1]);
	for (size_t i = 0; i < DG_N(classes); i++)
		cr_assert_eq(dg_grpc_status_class(classes[i][0]), classes[i][1]);
}

Test(status, a_message_is_decoded_and_bounded)
{
	static const struct {
		const char *wire, *want;
	} rows[] = {{"", ""}, {"plain", "plain"}, {"a%20b%0A", "a b\n"}, {"%c3%A9", "é"},
		{"100%", "100%"}, {"%4", "%4"}, {"%zz", "%zz"}, {"%ff!", "\xef\xbf\xbd!"},
		{"%E2%98", "\xef\xbf\xbd\xef\xbf\xbd"}};
	auto_buf big = DG_BUF_INIT;
	auto_buf out = DG_BUF_INIT;

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;

		dg_grpc_text_decode(dg_str(rows[i].wire), &b);
		cr_assert_str_eq(b.p ? b.p : "", rows[i].want, "row %zu", i);
	}
	for (int i = 0; i < 20000; i++)
		dg_buf_adds(&big, "%e2%98%83");
	dg_grpc_text_decode(dg_buf_str(&big), &out);
	cr_assert_leq(out.n, DG_GRPC_TEXT_MAX);
	cr_assert_gt(out.n, DG_GRPC_TEXT_MAX - 3);
	cr_assert(dg_str_utf8(dg_buf_str(&out)));
}

Test(status, time_outs_have_eight_digits_at_most)
{
	static const struct {
		dg_usec left;
		const char *want;
	} rows[] = {{0, "1m"}, {999, "1m"}, {60 * DG_SEC, "60000m"},
		{99999999 * DG_MSEC, "99999999m"}, {100000000 * DG_MSEC, "100000S"},
		{DG_USEC_NEVER, "99999999S"}};
	char buf[16];

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_str_eq(dg_grpc_timeout(rows[i].left, buf), rows[i].want);
}
