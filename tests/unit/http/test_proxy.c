/* Which proxy: the rules of Python's requests, and its names for hosts without one. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "http/proxy.h"

Test(proxy, explicit_rules_come_in_order_of_their_keys)
{
	static const struct {
		const char *key[3], *url[3];
		const char *scheme, *host, *want;
	} rows[] = {
		{{"https"}, {"http://p"}, "https", "a", "http://p"},
		{{"https"}, {"http://p"}, "http", "a", NULL},
		{{"all"}, {"http://p"}, "http", "a", "http://p"},
		{{"all", "https"}, {"http://p", "http://q"}, "https", "a", "http://q"},
		{{"https", "https://a"}, {"http://p", "http://q"}, "https", "a",
			"http://q"},
		{{"https", "https://a"}, {"http://p", "http://q"}, "https", "b",
			"http://p"},
		{{"all://a", "all"}, {"http://p", "http://q"}, "http", "a", "http://p"},
		{{"http", "all"}, {"", "http://q"}, "http", "a", NULL},
		{{NULL}, {NULL}, "http", "a", NULL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_http_proxies p = DG_HTTP_PROXIES_INIT, copy;
		const char *got;

		for (size_t k = 0; k < 3 && rows[i].key[k]; k++)
			dg_http_proxies_add(&p, rows[i].key[k], rows[i].url[k]);
		dg_http_proxies_copy(&p, &copy);
		got = dg_http_proxy_for(&copy, rows[i].scheme, rows[i].host, 0);
		if (rows[i].want)
			cr_assert_str_eq(got, rows[i].want, "row %zu", i);
		else
			cr_assert_null(got, "row %zu", i);
		dg_http_proxies_clear(&p);
		dg_http_proxies_clear(&copy);
	}
}

Test(proxy, the_environment_fills_what_is_missing)
{
	static const struct {
		const char *name[3], *value[3];
		const char *scheme, *host, *want;
	} rows[] = {
		{{"HTTPS_PROXY"}, {"http://p"}, "https", "a", "http://p"},
		{{"HTTPS_PROXY", "https_proxy"}, {"http://p", "http://q"}, "https", "a",
			"http://q"},
		{{"https_proxy", "HTTPS_PROXY"}, {"http://q", "http://p"}, "https", "a",
			"http://q"},
		{{"HTTPS_PROXY", "https_proxy"}, {"http://p", ""}, "https", "a", NULL},
		{{"https_proxy", "HTTPS_PROXY"}, {"", "http://p"}, "https", "a", NULL},
		{{"HTTPS_PROXY"}, {""}, "https", "a", NULL},
		{{"https_proxy", "ALL_PROXY"}, {"", "http://p"}, "https", "a",
			"http://p"},
		{{"all_proxy", "NO_PROXY"}, {"http://p", "a"}, "https", "a", NULL},
		{{"all_proxy", "NO_PROXY"}, {"http://p", "b"}, "https", "a", "http://p"},
		{{"all_proxy", "NO_PROXY", "no_proxy"}, {"http://p", "a", "b"}, "https",
			"a", "http://p"},
		{{"all_proxy", "no_proxy", "NO_PROXY"}, {"http://p", "b", "a"}, "https",
			"a", "http://p"},
		{{"_proxy", "PROXY"}, {"http://p", "http://p"}, "https", "a", NULL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_http_proxies p = DG_HTTP_PROXIES_INIT, copy;
		const char *got;

		for (size_t k = 0; k < 3 && rows[i].name[k]; k++)
			dg_http_proxies_env(&p, rows[i].name[k], rows[i].value[k]);
		dg_http_proxies_copy(&p, &copy);
		got = dg_http_proxy_for(&copy, rows[i].scheme, rows[i].host, 443);
		if (rows[i].want)
			cr_assert_str_eq(got, rows[i].want, "row %zu", i);
		else
			cr_assert_null(got, "row %zu: %s", i, got);
		dg_http_proxies_clear(&p);
		dg_http_proxies_clear(&copy);
	}
}

Test(proxy, no_proxy_does_not_touch_explicit_rules)
{
	struct dg_http_proxies p = DG_HTTP_PROXIES_INIT;

	dg_http_proxies_add(&p, "https", "http://p");
	dg_http_proxies_add(&p, "https", "http://q");
	dg_http_proxies_env(&p, "no_proxy", "*");
	cr_assert_str_eq(dg_http_proxy_for(&p, "https", "a", 0), "http://q");
	dg_http_proxies_clear(&p);
}

Test(proxy, names_and_networks_without_proxy)
{
	static const struct {
		const char *list, *host;
		unsigned port;
		bool want;
	} rows[] = {
		{NULL, "a.b", 0, false},
		{"", "a.b", 0, false},
		{"*", "a.b", 0, true},
		{"b", "a.b", 0, true},
		{".b", "a.b", 0, true},
		{"..b", "a.b", 0, true},
		{"B", "a.b", 0, true},
		{"a.b", "a.b", 0, true},
		{".a.b", "a.b", 0, true},
		{"b", "ab", 0, false},
		{"x, a.b", "a.b", 0, true},
		{"x,,", "a.b", 0, false},
		{"a.b:80", "a.b", 80, true},
		{"a.b:80", "a.b", 81, false},
		{"b:80", "a.b", 80, true},
		{".", "a.b", 0, false},
		{"10.0.0.1", "10.0.0.1", 0, true},
		{"10.0.0.0/8", "10.2.3.4", 80, true},
		{"10.0.0.0/8", "11.2.3.4", 80, false},
		{"10.2.3.4/32", "10.2.3.4", 0, true},
		{"10.0.0.0/0", "11.2.3.4", 0, false},
		{"10.0.0.0/33", "10.2.3.4", 0, false},
		{"10.0.0.0/", "10.2.3.4", 0, false},
		{"10.0.0.0/8x", "10.2.3.4", 0, false},
		{"x/8", "10.2.3.4", 0, false},
		{"0123456789012345678901234567890123456789012345678901234567890123456789",
			"10.2.3.4", 0, false},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_http_no_proxy(rows[i].list, rows[i].host, rows[i].port),
			rows[i].want, "row %zu", i);
}
