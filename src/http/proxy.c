/* http/proxy.c: see proxy.h. */
#include "http/proxy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static void
rules_free(struct dg_http_proxy_rule *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(r[i].key);
		free(r[i].url);
	}
	free(r);
}

void
dg_http_proxies_clear(struct dg_http_proxies *p)
{
	rules_free(p->rules, p->rules_n);
	rules_free(p->env, p->env_n);
	free(p->no_proxy);
	*p = DG_HTTP_PROXIES_INIT;
}

static void
put(struct dg_http_proxy_rule **r, size_t *n, const char *key, const char *url)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp((*r)[i].key, key) == 0) {
			free((*r)[i].url);
			(*r)[i].url = dg_xstrdup(url);
			return;
		}
	*r = dg_xrealloc(*r, *n + 1, sizeof(**r));
	(*r)[(*n)++] = (struct dg_http_proxy_rule){dg_xstrdup(key), dg_xstrdup(url)};
}

void
dg_http_proxies_copy(const struct dg_http_proxies *p, struct dg_http_proxies *ret)
{
	*ret = DG_HTTP_PROXIES_INIT;
	for (size_t i = 0; i < p->rules_n; i++)
		put(&ret->rules, &ret->rules_n, p->rules[i].key, p->rules[i].url);
	for (size_t i = 0; i < p->env_n; i++)
		put(&ret->env, &ret->env_n, p->env[i].key, p->env[i].url);
	ret->no_proxy = p->no_proxy ? dg_xstrdup(p->no_proxy) : NULL;
}

void
dg_http_proxies_add(struct dg_http_proxies *p, const char *key, const char *url)
{
	put(&p->rules, &p->rules_n, key, url);
}

static bool
is_lower(const char *s)
{
	for (; *s; s++)
		if (isupper((unsigned char)*s))
			return false;
	return true;
}

void
dg_http_proxies_env(struct dg_http_proxies *p, const char *name, const char *value)
{
	size_t n = strlen(name);
	auto_free char *key = NULL;
	bool known = false;

	if (n <= 6 || strcasecmp(name + n - 6, "_proxy") != 0)
		return;
	if (!*value && !is_lower(name))
		return;
	key = dg_xstrndup(name, n - 6);
	for (char *c = key; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strcmp(key, "no") == 0) {
		if (*value && (!p->no_proxy || is_lower(name))) {
			free(p->no_proxy);
			p->no_proxy = dg_xstrdup(value);
		}
		return;
	}
	for (size_t i = 0; i < p->env_n; i++)
		known = known || strcmp(p->env[i].key, key) == 0;
	/* An empty value stays in the list: it keeps the upper-case one out. */
	if (!known || is_lower(name))
		put(&p->env, &p->env_n, key, value);
}

/* "10.0.0.0/8": requests knows networks of IPv4 only. */
static bool
in_network(struct in_addr ip, const char *entry, size_t n)
{
	char net[64], *slash, *end;
	struct in_addr a;
	unsigned long bits;

	if (n >= sizeof(net))
		return false;
	memcpy(net, entry, n);
	net[n] = '\0';
	slash = strchr(net, '/');
	if (!slash)
		return inet_pton(AF_INET, net, &a) == 1 && a.s_addr == ip.s_addr;
	*slash = '\0';
	bits = strtoul(slash + 1, &end, 10);
	if (*end || end == slash + 1 || bits < 1 || bits > 32 ||
		inet_pton(AF_INET, net, &a) != 1)
		return false;
	return ((ntohl(a.s_addr) ^ ntohl(ip.s_addr)) & (UINT32_MAX << (32 - bits))) == 0;
}

/* HOST is NAME or stands below it. */
static bool
within(const char *host, const char *name, size_t n)
{
	size_t len = strlen(host);

	if (n == 0 || n > len || strncasecmp(host + len - n, name, n) != 0)
		return false;
	return n == len || host[len - n - 1] == '.';
}

bool
dg_http_no_proxy(const char *no_proxy, const char *host, unsigned port)
{
	auto_free char *with_port = dg_xasprintf("%s:%u", host, port);
	struct in_addr ip;
	bool is_ip = inet_pton(AF_INET, host, &ip) == 1;

	if (!no_proxy)
		return false;
	if (strcmp(no_proxy, "*") == 0)
		return true;
	for (const char *p = no_proxy; *p; p += strcspn(p, ",")) {
		size_t n;

		p += strspn(p, ", \t");
		n = strcspn(p, ", \t");
		if (is_ip && in_network(ip, p, n))
			return true;
		while (n && *p == '.') {
			p++;
			n--;
		}
		if (within(host, p, n) || (port && !is_ip && within(with_port, p, n)))
			return true;
	}
	return false;
}

static const char *
find(const struct dg_http_proxies *p, bool env, const char *key)
{
	for (size_t i = 0; i < p->rules_n; i++)
		if (strcmp(p->rules[i].key, key) == 0)
			return p->rules[i].url;
	for (size_t i = 0; env && i < p->env_n; i++)
		if (strcmp(p->env[i].key, key) == 0 && *p->env[i].url)
			return p->env[i].url;
	return NULL;
}

const char *
dg_http_proxy_for(const struct dg_http_proxies *p, const char *scheme, const char *host,
	unsigned port)
{
	auto_free char *exact = dg_xasprintf("%s://%s", scheme, host);
	auto_free char *any = dg_xasprintf("all://%s", host);
	const char *keys[] = {exact, scheme, any, "all"};
	bool env = !dg_http_no_proxy(p->no_proxy, host, port);

	for (size_t i = 0; i < DG_N(keys); i++) {
		const char *url = find(p, env, keys[i]);

		if (url)
			return *url ? url : NULL;
	}
	return NULL;
}
