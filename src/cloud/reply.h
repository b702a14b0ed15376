/* cloud/reply.h: what an answer of the control plane says. Pure. */
#ifndef DG_CLOUD_REPLY_H
#define DG_CLOUD_REPLY_H

#include "base/str.h"
#include "cloud/retry.h"

struct dg_reply {
	enum dg_outcome outcome;
	dg_usec interval, timeout; /* MAINTENANCE */
	struct dg_str detail; /* of the body: GraphQL errors, or what a refusal says */
};

/* GraphQL: `maintenance`, `errors` and `data` decide, in this order, whatever the HTTP
 * status; a body without any of them is judged by the status. */
struct dg_reply dg_reply_graphql(int status, struct dg_str body);
/* REST: the status decides; maintenance is understood here too. */
struct dg_reply dg_reply_rest(int status, struct dg_str body);

/* One line for people and for error answers, in the Python agent's words where it has
 * some. R is the try's result. */
void dg_reply_text(const struct dg_reply *reply, enum dg_http_error error,
	const char *error_text, int status, struct dg_buf *out);
/* enum dg_class of the end, 0 for OK. */
int dg_reply_class(const struct dg_reply *reply, enum dg_http_error error, int status);

#endif
