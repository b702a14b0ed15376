/* cloud/access.h: how the control plane is reached and what every request says of us,
 * from the settings. */
#ifndef DG_CLOUD_ACCESS_H
#define DG_CLOUD_ACCESS_H

#include "base/str.h"
#include "config/settings.h"
#include "http/client.h"

struct dg_access {
	char *url, *token, *cookie;
	unsigned retries;
	double backoff_factor;
	struct dg_http_proxies proxies; /* configured, and the environment's */
	struct dg_http_proxies env;     /* only the environment's: presigned URLs */
	struct dg_http_sockopt *sockopts;
	struct dg_http_site_options site; /* of the control plane */
	struct dg_http_site_options out;  /* of presigned URLs */
	struct dg_access_header {
		char *name, *value;
	} * headers; /* configured ones: they override ours */
	size_t headers_n;
};

int dg_access_read(
	struct dg_access *a, const struct dg_settings *settings, struct dg_err *e);
void dg_access_clear(struct dg_access *a);
/* The headers of a call: token, versions, SCOPE, DEPLOYMENT (may be empty), TYPE
 * (Content-Type, or NULL), then the configured ones. The caller frees them. */
struct dg_http_headers *dg_access_headers(const struct dg_access *a, const char *scope,
	struct dg_str deployment, const char *type);

#endif
