/* http/headers.h: a list of request headers, made once and used by many calls. */
#ifndef DG_HTTP_HEADERS_H
#define DG_HTTP_HEADERS_H

#include "base/err.h"

struct dg_http_headers;

struct dg_http_headers *dg_http_headers_new(void);
void dg_http_headers_free(struct dg_http_headers *h);
void dg_http_headers_freep(struct dg_http_headers **h);
/* Replaces a header of the same name, in any case. A name or value that could break the
 * request apart is -DG_CONFIG. */
int dg_http_headers_set(
	struct dg_http_headers *h, const char *name, const char *value, struct dg_err *e);

#endif
