/* http/headers.c: see headers.h. */
#include "http/headers.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "http/private.h"

struct dg_http_headers *
dg_http_headers_new(void)
{
	struct dg_http_headers *h = dg_new(struct dg_http_headers);

	/* libcurl would ask for "100-continue" before large bodies, and wait. */
	h->list = dg_new(struct curl_slist);
	h->list->data = dg_xstrdup("Expect:");
	return h;
}

void
dg_http_headers_free(struct dg_http_headers *h)
{
	if (!h)
		return;
	for (struct curl_slist *l = h->list, *next; l; l = next) {
		next = l->next;
		free(l->data);
		free(l);
	}
	free(h);
}

void
dg_http_headers_freep(struct dg_http_headers **h)
{
	dg_http_headers_free(*h);
}

static bool
named(const struct curl_slist *l, const char *name, size_t n)
{
	return strncasecmp(l->data, name, n) == 0 &&
	       (l->data[n] == ':' || l->data[n] == ';');
}

static bool
is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= 32 || (unsigned char)*s >= 127 ||
			strchr("()<>@,;:\\\"/[]?={}", *s))
			return false;
	return true;
}

int
dg_http_headers_set(
	struct dg_http_headers *h, const char *name, const char *value, struct dg_err *e)
{
	struct curl_slist **l = &h->list;
	size_t n = strlen(name);

	if (!is_token(name))
		return dg_fail(e, DG_CONFIG, 0, "'%s' is not the name of a header", name);
	if (strpbrk(value, "\r\n"))
		return dg_fail(e, DG_CONFIG, 0,
			"the value of header '%s' contains a line break", name);
	while (*l && !named(*l, name, n))
		l = &(*l)->next;
	if (!*l)
		*l = dg_new(struct curl_slist);
	free((*l)->data);
	/* libcurl's spelling of a header that is there and empty is "Name;". */
	(*l)->data =
		*value ? dg_xasprintf("%s: %s", name, value) : dg_xasprintf("%s;", name);
	return 0;
}
