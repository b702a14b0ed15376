/* http/proxy.h: which proxy a URL goes through, by the rules of Python's requests.
 *
 * Explicit rules ("http", "https", "all", "https://host", "all://host") come first, key
 * by key; what the environment names (http_proxy, https_proxy, all_proxy) fills the keys
 * that are missing, unless no_proxy names the host. Pure.
 */
#ifndef DG_HTTP_PROXY_H
#define DG_HTTP_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct dg_http_proxy_rule {
	char *key, *url;
};

struct dg_http_proxies {
	struct dg_http_proxy_rule *rules, *env;
	size_t rules_n, env_n;
	char *no_proxy;
};

#define DG_HTTP_PROXIES_INIT ((struct dg_http_proxies){NULL, NULL, 0, 0, NULL})

void dg_http_proxies_clear(struct dg_http_proxies *p);
void dg_http_proxies_copy(const struct dg_http_proxies *p, struct dg_http_proxies *ret);
/* An explicit rule, in the order of the configuration. */
void dg_http_proxies_add(struct dg_http_proxies *p, const char *key, const char *url);
/* A variable of the environment: "HTTPS_PROXY", "no_proxy", ... Others are ignored. The
 * lower-case spelling wins; an empty value there takes the other one away. */
void dg_http_proxies_env(struct dg_http_proxies *p, const char *name, const char *value);

/* The proxy's URL, or NULL: go there directly. PORT is 0 where the URL names none. */
const char *dg_http_proxy_for(const struct dg_http_proxies *p, const char *scheme,
	const char *host, unsigned port);
/* Does NO_PROXY name this host? */
bool dg_http_no_proxy(const char *no_proxy, const char *host, unsigned port);

#endif
