/* http/site.c: a peer with its rules, its calls in order, and its easy handles, which are
 * set up once and used again. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "http/private.h"

/* Where Debian and most others keep certificates by their hash; a folder costs 0.8 MB
 * less per connection than the bundle. */
#define CA_FOLDER "/etc/ssl/certs"

static char *
dup_or_null(const char *s)
{
	return s ? dg_xstrdup(s) : NULL;
}

/* Does the system have certificates under the names that OpenSSL looks up? */
static bool
has_hashed_certificates(void)
{
	DIR *d = opendir(CA_FOLDER);
	struct dirent *f;
	bool found = false;

	while (d && !found && (f = readdir(d)))
		found = strspn(f->d_name, "0123456789abcdef") == 8 &&
			strcmp(f->d_name + 8, ".0") == 0;
	if (d)
		closedir(d);
	return found;
}

static int
choose_ca(struct dg_http_site *s, const char *ca, struct dg_err *e)
{
	struct stat st;

	if (!ca || !*ca) {
		if (has_hashed_certificates()) {
			s->ca = dg_xstrdup(CA_FOLDER);
			s->ca_is_dir = true;
		}
		return 0;
	}
	if (stat(ca, &st) < 0)
		return dg_fail(e, DG_CONFIG, 0,
			"there is no file or folder of CA certificates at %s", ca);
	s->ca = dg_xstrdup(ca);
	s->ca_is_dir = S_ISDIR(st.st_mode);
	return 0;
}

/* The proxy for URL by the rules; false when URL is none. */
static bool
choose_proxy(const struct dg_http_proxies *rules, const char *url, const char **ret)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	bool ok;

	ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
	if (ok) {
		curl_url_get(u, CURLUPART_PORT, &port, 0);
		*ret = dg_http_proxy_for(rules, scheme, host,
			port ? (unsigned)strtoul(port, NULL, 10) : 0);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}

int
dg_http_site_new(struct dg_http_site **ret, struct dg_http *h,
	const struct dg_http_site_options *o, struct dg_err *e)
{
	struct dg_http_site *s = dg_new(struct dg_http_site);
	const char *proxy = NULL;

	s->h = h;
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->idle);
	LIST_INSERT_HEAD(&h->sites, s, link);
	s->base = dup_or_null(o->base);
	s->user_agent = dup_or_null(o->user_agent);
	s->netrc = dup_or_null(o->netrc);
	s->no_verify = o->no_verify;
	s->connect_timeout = o->connect_timeout;
	s->read_timeout = o->read_timeout;
	s->sockopts_given = o->sockopts_given;
	s->sockopts_n = o->sockopts_n;
	s->sockopts = dg_xcalloc(o->sockopts_n + 1, sizeof(*s->sockopts));
	for (size_t i = 0; i < o->sockopts_n; i++)
		s->sockopts[i] = o->sockopts[i];
	s->inflight = o->inflight ? o->inflight : 1;
	if (o->proxies)
		dg_http_proxies_copy(o->proxies, &s->proxies);
	if (s->base && !choose_proxy(&s->proxies, s->base, &proxy)) {
		dg_http_site_free(s);
		return dg_fail(e, DG_CONFIG, 0, "'%s' is not a URL", o->base);
	}
	s->proxy = dup_or_null(proxy);
	if (choose_ca(s, o->ca, e) < 0) {
		dg_http_site_free(s);
		return -DG_CONFIG;
	}
	if (o->cookies) { /* one thread: no locks */
		s->cookies = curl_share_init();
		DG_ASSERT(s->cookies && curl_share_setopt(s->cookies, CURLSHOPT_SHARE,
						CURL_LOCK_DATA_COOKIE) == CURLSHE_OK);
	}
	*ret = s;
	return 0;
}

static void
slot_free(struct dg_http_slot *slot)
{
	curl_easy_cleanup(slot->easy);
	free(slot);
}

void
dg_http_site_free(struct dg_http_site *s)
{
	struct dg_http_call *c, *next;
	struct dg_http_slot *slot;

	if (!s)
		return;
	while ((c = TAILQ_FIRST(&s->waiting)))
		dg_http_cancel(c);
	for (c = LIST_FIRST(&s->h->active); c; c = next) {
		next = LIST_NEXT(c, active);
		if (c->site == s)
			dg_http_cancel(c);
	}
	while ((slot = TAILQ_FIRST(&s->idle))) {
		TAILQ_REMOVE(&s->idle, slot, link);
		slot_free(slot);
	}
	if (s->cookies)
		curl_share_cleanup(s->cookies);
	LIST_REMOVE(s, link);
	dg_http_proxies_clear(&s->proxies);
	free(s->base);
	free(s->user_agent);
	free(s->ca);
	free(s->netrc);
	free(s->proxy);
	free(s->sockopts);
	free(s);
}

void
dg_http_site_inflight(struct dg_http_site *s, unsigned n)
{
	s->inflight = n ? n : 1;
	dg_http_kick(s->h);
}

unsigned
dg_http_site_active(const struct dg_http_site *s)
{
	return s->active;
}

static int
on_sockopt(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	struct dg_http_site *s = arg;

	(void)purpose;
	for (size_t i = 0; i < s->sockopts_n; i++) {
		const struct dg_http_sockopt *o = &s->sockopts[i];

		if (setsockopt(fd, o->level, o->name, &o->value, sizeof(o->value)) < 0)
			return CURL_SOCKOPT_ERROR;
	}
	return CURL_SOCKOPT_OK;
}

static struct dg_http_slot *
slot_new(struct dg_http_site *s)
{
	struct dg_http_slot *slot = dg_new(struct dg_http_slot);
	CURL *easy = curl_easy_init();

	if (!easy) {
		free(slot);
		return NULL;
	}
	slot->easy = easy;
	slot->method = -1;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 30L);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, DG_HTTP_BUFFER);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, DG_HTTP_BUFFER);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)DG_HTTP_KEEP_SECS);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, dg_http_opensocket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s->h);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, dg_http_closesocket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s->h);
	if (s->user_agent)
		curl_easy_setopt(easy, CURLOPT_USERAGENT, s->user_agent);
	if (s->cookies) {
		curl_easy_setopt(easy, CURLOPT_SHARE, s->cookies);
		curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
	}
	if (s->netrc) {
		curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
		curl_easy_setopt(easy, CURLOPT_NETRC_FILE, s->netrc);
	}
	if (s->no_verify) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (s->ca) {
		curl_easy_setopt(easy, CURLOPT_CAPATH, s->ca_is_dir ? s->ca : NULL);
		curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_is_dir ? NULL : s->ca);
	}
	/* No proxy but ours: the process's own environment is not asked. */
	curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy ? s->proxy : "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, s->sockopts_given ? 0L : 1L);
	if (s->sockopts_n) {
		curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
		curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, s);
	}
	dg_http_call_options(slot);
	return slot;
}

static struct dg_http_slot *
slot_take(struct dg_http_site *s)
{
	struct dg_http_slot *slot = TAILQ_FIRST(&s->idle);

	if (!slot)
		return slot_new(s);
	TAILQ_REMOVE(&s->idle, slot, link);
	s->idle_n--;
	return slot;
}

void
dg_http_slot_give_back(struct dg_http_site *s, struct dg_http_slot *slot, bool keep)
{
	slot->call = NULL;
	s->active--;
	s->last_used = dg_http_clock(s->h);
	if (!keep) {
		slot_free(slot);
		return;
	}
	TAILQ_INSERT_HEAD(&s->idle, slot, link);
	if (++s->idle_n <= 1)
		return;
	s->h->trims = DG_HTTP_TRIMS;
	if (s->last_used + DG_HTTP_SWEEP < s->h->sweep_at) {
		s->h->sweep_at = s->last_used + DG_HTTP_SWEEP;
		dg_http_arm(s->h);
	}
}

void
dg_http_site_sweep(struct dg_http_site *s, dg_usec now)
{
	if (s->idle_n <= 1)
		return;
	if (s->last_used + DG_HTTP_SWEEP > now || s->active > 1) {
		dg_usec at = now + DG_HTTP_SWEEP;

		if (at < s->h->sweep_at)
			s->h->sweep_at = at;
		return;
	}
	while (s->idle_n > 1) {
		struct dg_http_slot *slot = TAILQ_LAST(&s->idle, dg_http_slots);

		TAILQ_REMOVE(&s->idle, slot, link);
		s->idle_n--;
		slot_free(slot);
	}
}

/* Hand waiting calls to libcurl while there is room. */
void
dg_http_site_next(struct dg_http_site *s)
{
	while (s->active < s->inflight && !TAILQ_EMPTY(&s->waiting)) {
		struct dg_http_call *c = TAILQ_FIRST(&s->waiting);
		struct dg_http_slot *slot = slot_take(s);
		const char *proxy = NULL;

		if (!slot)
			return;
		TAILQ_REMOVE(&s->waiting, c, link);
		s->active++;
		if (!s->base) {
			choose_proxy(&s->proxies, c->url, &proxy);
			curl_easy_setopt(slot->easy, CURLOPT_PROXY, proxy ? proxy : "");
		}
		dg_http_call_begin(c, slot);
	}
}
