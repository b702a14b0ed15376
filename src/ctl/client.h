/* ctl/client.h: asking a running agent over its status socket. */
#ifndef DG_CTL_CLIENT_H
#define DG_CTL_CLIENT_H

#include "base/err.h"
#include "base/str.h"

struct dg_answer {
	long code;
	struct dg_buf body;
};

/* The socket to ask: SOCKET if given; else the one below HOME (a DAGSTER_HOME); else that
 * of $DAGSTER_HOME or the system's service. -DG_TRANSPORT when nobody listens,
 * -DG_CONFIG when several do. The path is appended to RET. */
int dg_client_find(
	const char *socket, const char *home, struct dg_buf *ret, struct dg_err *e);

/* GET http://daglet/TARGET; -DG_TRANSPORT when there is no answer. The body is appended
 * to RET. */
int dg_client_get(
	const char *socket, const char *target, struct dg_answer *ret, struct dg_err *e);

/* POST: something is to be done. */
int dg_client_post(
	const char *socket, const char *target, struct dg_answer *ret, struct dg_err *e);

/* Append TEXT as a part of a query. */
void dg_client_escape(struct dg_buf *out, const char *text);

#endif
