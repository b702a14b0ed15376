/* The settings as the HTTP room needs them. */
#include <criterion/criterion.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "cloud/access.h"

static struct dg_settings *
settings(void)
{
	struct dg_settings *s = dg_settings_new();

	dg_settings_set(s, ~0u, "dagster_cloud_api.url", "https://o.agent.example");
	dg_settings_set(s, ~0u, "dagster_cloud_api.agent_token", "agent:o:t");
	dg_settings_set(s, ~0u, "dagster_cloud_api.timeout", "60");
	dg_settings_set(s, ~0u, "dagster_cloud_api.retries", "6");
	dg_settings_set(s, ~0u, "dagster_cloud_api.backoff_factor", "0.5");
	return s;
}

Test(access, defaults)
{
	struct dg_settings *s = settings();
	struct dg_access a;

	cr_assert_eq(dg_access_read(&a, s, NULL), 0);
	cr_assert_str_eq(a.site.base, "https://o.agent.example");
	cr_assert_null(a.out.base);
	cr_assert_eq(a.site.connect_timeout, 60 * DG_SEC);
	cr_assert_eq(a.site.read_timeout, 60 * DG_SEC);
	cr_assert_eq(a.retries, 6);
	cr_assert_eq(a.backoff_factor, 0.5);
	cr_assert_not(a.site.no_verify);
	cr_assert_null(a.site.ca);
	cr_assert_null(a.cookie);
	cr_assert_not(a.site.sockopts_given);
	dg_access_clear(&a);
	dg_settings_free(s);
}

Test(access, everything_given)
{
	struct dg_settings *s = settings();
	struct dg_access a;

	dg_settings_set(s, ~0u, "dagster_cloud_api.verify", "false");
	dg_settings_add(s, ~0u, "dagster_cloud_api.cookies", "a", "1");
	dg_settings_add(s, ~0u, "dagster_cloud_api.cookies", "b", "2");
	dg_settings_add(s, ~0u, "dagster_cloud_api.proxies", "https", "http://p");
	dg_settings_set(s, ~0u, "env.ALL_PROXY", "http://q");
	dg_settings_set(s, ~0u, "env.no_proxy", "x");
	dg_settings_set(s, ~0u, "env.REQUESTS_CA_BUNDLE", "");
	dg_settings_set(s, ~0u, "env.CURL_CA_BUNDLE", "/ca");
	for (size_t i = 0; i < 2; i++) {
		static const int numbers[] = {SOL_SOCKET, SO_KEEPALIVE};
		auto_free char *text = dg_xasprintf("%d", numbers[i]);

		dg_settings_add(s, ~0u, "dagster_cloud_api.socket_options.0", NULL, text);
	}
	dg_settings_add(s, ~0u, "dagster_cloud_api.socket_options.0", NULL, "1");
	dg_settings_add(s, ~0u, "dagster_cloud_api.socket_options", NULL, "");
	cr_assert_eq(dg_access_read(&a, s, NULL), 0);
	cr_assert(a.site.no_verify);
	cr_assert_not(a.out.no_verify);
	cr_assert_str_eq(a.site.ca, "/ca");
	cr_assert_str_eq(a.cookie, "a=1; b=2");
	cr_assert_str_eq(dg_http_proxy_for(&a.proxies, "https", "h", 0), "http://p");
	cr_assert_str_eq(dg_http_proxy_for(&a.proxies, "http", "h", 0), "http://q");
	cr_assert_null(dg_http_proxy_for(&a.proxies, "http", "x", 0));
	cr_assert_str_eq(dg_http_proxy_for(&a.env, "https", "h", 0), "http://q");
	cr_assert(a.site.sockopts_given);
	cr_assert_eq(a.site.sockopts_n, 1);
	cr_assert_eq(a.site.sockopts[0].level, SOL_SOCKET);
	cr_assert_eq(a.site.sockopts[0].name, SO_KEEPALIVE);
	cr_assert_eq(a.site.sockopts[0].value, 1);
	dg_access_clear(&a);
	dg_settings_free(s);
}

Test(access, refused)
{
	static const struct {
		const char *key, *name, *value;
	} rows[] = {
		{"dagster_cloud_api.headers", "a b", "1"},
		{"dagster_cloud_api.headers", "a", "1\r\nb: 2"},
		{"dagster_cloud_api.socket_options", NULL, ""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_settings *s = settings();
		struct dg_access a;
		struct dg_err e;

		dg_settings_add(s, ~0u, rows[i].key, rows[i].name, rows[i].value);
		cr_assert_eq(dg_access_read(&a, s, &e), -DG_CONFIG, "row %zu", i);
		dg_access_clear(&a);
		dg_settings_free(s);
	}
}
