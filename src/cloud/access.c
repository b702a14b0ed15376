/* cloud/access.c: see access.h. Keys: dagster_cloud_api.* as in dagster.yaml, and the
 * environment that Python's requests looks at. `verify` holds for every call to the
 * control plane, also where the Python agent forgets it (its REST calls). */
#include "cloud/access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "daglet/limits.h"

#define API "dagster_cloud_api."

static int
read_socket_options(struct dg_access *a, const struct dg_settings *s, struct dg_err *e)
{
	size_t n = dg_settings_count(s, API "socket_options");

	a->site.sockopts_given = dg_settings_has(s, API "socket_options") || n > 0;
	a->sockopts = dg_xcalloc(n + 1, sizeof(*a->sockopts));
	for (size_t i = 0; i < n; i++) {
		auto_free char *key = dg_xasprintf(API "socket_options.%zu", i);
		int v[3];

		if (dg_settings_count(s, key) != 3)
			return dg_fail(e, DG_CONFIG, 0,
				"%s must be a list of level, option and value", key);
		for (size_t k = 0; k < 3; k++) {
			const char *item = dg_settings_item(s, key, k);

			v[k] = item ? atoi(item) : 0; /* config checked it */
		}
		a->sockopts[i] = (struct dg_http_sockopt){v[0], v[1], v[2]};
	}
	a->site.sockopts = a->sockopts;
	a->site.sockopts_n = n;
	return 0;
}

static void
read_proxies(struct dg_access *a, const struct dg_settings *s)
{
	static const char *const env[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY",
		"https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"};

	for (size_t i = 0; i < dg_settings_count(s, API "proxies"); i++) {
		const char *url = dg_settings_item(s, API "proxies", i);

		if (url)
			dg_http_proxies_add(
				&a->proxies, dg_settings_name(s, API "proxies", i), url);
	}
	for (size_t i = 0; i < DG_N(env); i++) {
		auto_free char *key = dg_xasprintf("env.%s", env[i]);
		const char *v = dg_settings_str(s, key);

		if (v) {
			dg_http_proxies_env(&a->proxies, env[i], v);
			dg_http_proxies_env(&a->env, env[i], v);
		}
	}
}

static int
read_headers(struct dg_access *a, const struct dg_settings *s, struct dg_err *e)
{
	struct dg_http_headers *probe = dg_http_headers_new();
	size_t n = dg_settings_count(s, API "headers");
	int r = dg_http_headers_set(probe, "Dagster-Cloud-Api-Token", a->token, NULL);

	if (r < 0)
		dg_fail(e, DG_CONFIG, 0, "the agent token contains a line break");
	a->headers = dg_xcalloc(n + 1, sizeof(*a->headers));
	for (size_t i = 0; i < n && r == 0; i++) {
		const char *name = dg_settings_name(s, API "headers", i);
		const char *value = dg_settings_item(s, API "headers", i);

		if (!value)
			continue;
		r = dg_http_headers_set(probe, name, value, e);
		a->headers[a->headers_n++] =
			(struct dg_access_header){dg_xstrdup(name), dg_xstrdup(value)};
	}
	dg_http_headers_free(probe);
	return r;
}

struct dg_http_headers *
dg_access_headers(const struct dg_access *a, const char *scope, struct dg_str deployment,
	const char *type)
{
	struct dg_http_headers *h = dg_http_headers_new();
	auto_free char *name = dg_str_dup(deployment);

	dg_http_headers_set(h, "Dagster-Cloud-Api-Token", a->token, NULL);
	dg_http_headers_set(h, "Python-Version", DG_PYTHON_VERSION, NULL);
	dg_http_headers_set(h, "Dagster-Cloud-Version", DG_PROTOCOL_RELEASE, NULL);
	dg_http_headers_set(h, "Dagster-Cloud-Scope", scope, NULL);
	if (*name)
		dg_http_headers_set(h, "Dagster-Cloud-Deployment", name, NULL);
	if (type)
		dg_http_headers_set(h, "Content-Type", type, NULL);
	for (size_t i = 0; i < a->headers_n; i++)
		dg_http_headers_set(h, a->headers[i].name, a->headers[i].value, NULL);
	return h;
}

static void
read_cookies(struct dg_access *a, const struct dg_settings *s)
{
	auto_buf b = DG_BUF_INIT;

	for (size_t i = 0; i < dg_settings_count(s, API "cookies"); i++) {
		const char *value = dg_settings_item(s, API "cookies", i);

		if (value)
			dg_buf_addf(&b, "%s%s=%s", b.n ? "; " : "",
				dg_settings_name(s, API "cookies", i), value);
	}
	a->cookie = b.n ? dg_buf_take(&b) : NULL;
}

int
dg_access_read(struct dg_access *a, const struct dg_settings *settings, struct dg_err *e)
{
	static const char agent[] = "daglet/" PACKAGE_VERSION;
	const char *url = dg_settings_str(settings, API "url");
	const char *token = dg_settings_str(settings, API "agent_token");
	const char *ca = dg_settings_str(settings, "env.REQUESTS_CA_BUNDLE");
	dg_usec timeout = (dg_usec)dg_settings_int(settings, API "timeout") * DG_SEC;
	int64_t retries = dg_settings_int(settings, API "retries");
	int r;

	*a = (struct dg_access){.url = dg_xstrdup(url ? url : ""),
		.token = dg_xstrdup(token ? token : "")};
	if (!url || !token)
		return dg_fail(e, DG_CONFIG, 0, "there is no %s",
			url ? API "agent_token" : API "url");
	a->retries = retries > 0 ? (unsigned)retries : 0;
	a->backoff_factor = dg_settings_float(settings, API "backoff_factor");
	read_proxies(a, settings);
	read_cookies(a, settings);
	if ((r = read_socket_options(a, settings, e)) < 0 ||
		(r = read_headers(a, settings, e)) < 0)
		return r;
	if (!ca || !*ca)
		ca = dg_settings_str(settings, "env.CURL_CA_BUNDLE");
	a->site.base = a->url;
	a->site.user_agent = agent;
	a->site.proxies = &a->proxies;
	a->site.no_verify = dg_settings_has(settings, API "verify") &&
			    !dg_settings_bool(settings, API "verify");
	a->site.ca = ca;
	a->site.netrc = dg_settings_str(settings, "env.NETRC");
	a->site.connect_timeout = a->site.read_timeout = timeout;
	a->out = a->site;
	a->out.base = NULL;
	a->out.proxies = &a->env;
	a->out.no_verify = false;
	return 0;
}

void
dg_access_clear(struct dg_access *a)
{
	if (a->token)
		explicit_bzero(a->token, strlen(a->token));
	free(a->url);
	free(a->token);
	free(a->cookie);
	free(a->sockopts);
	dg_http_proxies_clear(&a->proxies);
	dg_http_proxies_clear(&a->env);
	for (size_t i = 0; i < a->headers_n; i++) {
		free(a->headers[i].name);
		free(a->headers[i].value);
	}
	free(a->headers);
	*a = (struct dg_access){0};
}
