/* grpc/dial.h: from an address to a connected socket, without ever blocking the loop.
 *
 * Addresses: "unix:/path", "host:port", "[v6]:port". A literal address is used at once; a
 * name is resolved in a thread of its own that lives as long as the look-up (the resolver
 * may hang for seconds, and threads that wait cost nothing when there are none). The
 * addresses of a name are tried in order. Called by grpc/conn.c.
 */
#ifndef DG_GRPC_DIAL_H
#define DG_GRPC_DIAL_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/time.h"

struct dg_dial;

/* FD is connected and the callee's, or -1 and E says why (it ends with the dial). Called
 * once, from the loop. */
typedef void dg_dial_fn(void *arg, int fd, const struct dg_err *e);

/* Is this an address? 0 or -DG_CONFIG. */
int dg_dial_check(const char *address, struct dg_err *e);
/* What to say in :authority: the address itself, or "localhost" for a Unix socket. */
const char *dg_dial_authority(const char *address);

/* ADDRESS has passed dg_dial_check(). LIMIT is for all of it. */
struct dg_dial *dg_dial_start(
	sd_event *event, const char *address, dg_usec limit, dg_dial_fn *fn, void *arg);
/* Forget it; FN is not called. Also how FN's callee ends it: it is not freed by itself.
 */
void dg_dial_free(struct dg_dial *d);

#endif
