/* status/server.h: HTTP for those who look at the agent: libmicrohttpd on the event loop,
 * without threads. Knows sockets, limits and methods; what is said is the caller's.
 *
 * Looking is GET and HEAD; what changes something is POST. Connections, requests and replies are bounded, whoever is slow
 * is cut off. An exchange is one request and its reply; the reply may come later.
 */
#ifndef DG_STATUS_SERVER_H
#define DG_STATUS_SERVER_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/str.h"
#include "base/time.h"

#define DG_TEXT_TYPE "text/plain; charset=utf-8"
#define DG_JSON_TYPE "application/json"

struct dg_server;
struct dg_exchange;

struct dg_server_ops {
	/* A request: reply now, or keep X and reply within DG_EXCHANGE_SECS; then X is
	 * answered with 504. */
	void (*request)(struct dg_exchange *x, void *arg);
	/* X is over, whether or not it was replied to: forget it. */
	void (*gone)(struct dg_exchange *x, void *arg);
};

#define DG_EXCHANGE_SECS 10

/* Listen on TAKE_FD (a listening socket, owned from the call on). */
int dg_server_new(struct dg_server **ret, sd_event *event, int take_fd,
	const struct dg_server_ops *ops, void *arg, struct dg_err *e);
/* Cuts off whoever is connected; exchanges under way are gone. */
void dg_server_free(struct dg_server *s);

/* POST: it asks for something to be done. */
bool dg_exchange_orders(const struct dg_exchange *x);
/* Who is at the other end of a Unix socket; false over TCP, where nobody knows. */
bool dg_exchange_peer(const struct dg_exchange *x, uid_t *uid, pid_t *pid);
/* The path, without the query. */
const char *dg_exchange_path(const struct dg_exchange *x);
/* The query's value for NAME, decoded; NULL when it is not there. */
const char *dg_exchange_arg(const struct dg_exchange *x, const char *name);
/* The reply; takes the bytes of BODY, which is empty afterwards. A second one is
 * dropped. */
void dg_exchange_reply(
	struct dg_exchange *x, unsigned code, const char *type, struct dg_buf *take_body);
/* The same for one line of text. */
void dg_exchange_text(struct dg_exchange *x, unsigned code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
