/* grpc/resolve.h: one getaddrinfo(), in a thread that ends with it. For grpc/dial.c. */
#ifndef DG_GRPC_RESOLVE_H
#define DG_GRPC_RESOLVE_H

#include <netdb.h>
#include <systemd/sd-event.h>

#include "base/err.h"

struct dg_resolve;

/* AI is the callee's (freeaddrinfo), or NULL and E says why. Called once, from the loop.
 */
typedef void dg_resolve_fn(void *arg, struct addrinfo *ai, const struct dg_err *e);

/* More look-ups than this at once are refused: a dead resolver must not cost a thread per
 * call. */
#define DG_RESOLVE_MAX 16

int dg_resolve_start(sd_event *event, const char *host, const char *port,
	dg_resolve_fn *fn, void *arg, struct dg_resolve **ret, struct dg_err *e);
/* Forget it (the thread ends when the resolver lets it); FN is not called any more. */
void dg_resolve_free(struct dg_resolve *r);

#endif
