/* Addresses. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "grpc/dial.h"

Test(dial, addresses_good_and_bad)
{
	static const char *const good[] = {"unix:/run/x.s", "localhost:4000",
		"10.0.0.1:1", "[::1]:65535", "a.b.svc.cluster.local:4000"};
	static const char *const bad[] = {"", "unix:", "localhost", ":1", "h:", "h:x",
		"h:1x", "h:65536", "h:123456", "::1:80", "[]:1", "[::1:80", "h:-1"};
	char longest[200] = "unix:/";
	struct dg_err e;

	for (size_t i = 0; i < DG_N(good); i++)
		cr_assert_eq(dg_dial_check(good[i], &e), 0, "%s", good[i]);
	for (size_t i = 0; i < DG_N(bad); i++) {
		cr_assert_eq(dg_dial_check(bad[i], &e), -DG_CONFIG, "%s", bad[i]);
		cr_assert(strstr(e.what, "is no address"));
	}
	memset(longest + 6, 'x', 106);
	cr_assert_eq(dg_dial_check(longest, &e), 0, "107 bytes fit");
	longest[112] = 'x';
	cr_assert_eq(dg_dial_check(longest, &e), -DG_CONFIG);
	cr_assert_str_eq(dg_dial_authority("unix:/x"), "localhost");
	cr_assert_str_eq(dg_dial_authority("h:1"), "h:1");
}
