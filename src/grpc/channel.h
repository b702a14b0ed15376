/* grpc/channel.h: one code server, reached over HTTP/2 without TLS (prior knowledge).
 *
 * A channel connects when the first call needs it and again when the connection is gone;
 * ordinary calls share one connection, bulk calls (repositories, jobs) get one each, so
 * that 100 MB on their way hold up nobody. There are no periodic PINGs: code servers
 * answer a few of them with GOAWAY too_many_pings and kill the calls in flight. TCP's own
 * time-out and each call's deadline find a dead peer.
 *
 * The launcher makes one per code server. Everything happens on the sd-event loop it was
 * given; nothing blocks, and no callback is called from inside a function called here,
 * except by dg_channel_free().
 */
#ifndef DG_GRPC_CHANNEL_H
#define DG_GRPC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/time.h"

struct dg_channel;

struct dg_channel_limits {
	size_t send_max;    /* bytes of a request; 0: DG_GRPC_MESSAGE_MAX */
	size_t receive_max; /* decompressed bytes of one message; 0: the same */
};

/* ADDRESS: "unix:/path", "host:port" or "[v6]:port"; -DG_CONFIG when it is none. LIMITS
 * may be NULL. Does not connect. */
int dg_channel_new(struct dg_channel **ret, sd_event *event, const char *address,
	const struct dg_channel_limits *limits, struct dg_err *e);

/* Ends every open call as UNAVAILABLE (each call's `done` is called, here and now; calls
 * cannot be started meanwhile) and closes the connections. May be called from a `done`.
 */
void dg_channel_free(struct dg_channel *ch);
void dg_channel_freep(struct dg_channel **ch);

const char *dg_channel_address(const struct dg_channel *ch);
/* Calls that were started and are not done. */
size_t dg_channel_calls(const struct dg_channel *ch);

/* Is the server's process still running its loop? For a call that is overdue: one HTTP/2
 * PING on the shared connection (connecting if need be); ALIVE when anything at all
 * arrives from the server within LIMIT. A server whose threads are all busy answers, one
 * that is stopped does not. One probe at a time, and one PING in 30 s: -DG_LIMIT when it
 * is too early. */
typedef void dg_probe_fn(void *arg, bool alive);
int dg_channel_probe(struct dg_channel *ch, dg_usec limit, dg_probe_fn *fn, void *arg,
	struct dg_err *e);

#endif
