/* grpc/conn.h: inside the room only: channels, connections and calls, and who may touch
 * what.
 *
 * channel.c owns the lists and calls `done`; conn.c speaks HTTP/2 on one socket; call.c
 * is the life of a call. nghttp2's callbacks only ever mark things (a call finished, a
 * connection failed); dg_channel_settle() acts on the marks, from the loop.
 */
#ifndef DG_GRPC_CONN_H
#define DG_GRPC_CONN_H

#include <nghttp2/nghttp2.h>
#include <sys/queue.h>

#include "grpc/call.h"
#include "grpc/dial.h"
#include "grpc/reader.h"

TAILQ_HEAD(dg_call_list, dg_call);
TAILQ_HEAD(dg_conn_list, dg_conn);

struct dg_call {
	TAILQ_ENTRY(dg_call) link; /* in conn->calls or channel->finished */
	struct dg_channel *ch;
	struct dg_conn *conn; /* NULL when finished */
	int32_t stream;       /* 0 until submitted */
	struct dg_call_spec spec;
	char *path;
	char **meta; /* name, value, name, value, ... */
	struct dg_buf message;
	size_t off; /* sent of prefix and message */
	dg_usec deadline;
	sd_event_source *timer;
	struct dg_reader reader;
	int http, grpc; /* -1 until the server said */
	bool is_grpc;   /* content-type */
	struct dg_buf text;
	struct dg_err sink_err;
	bool packed;    /* its first frame is among the bytes for the socket */
	uint64_t first; /* where, counted from the start of the connection */
	bool again;     /* was moved to another connection once */
	bool finished;
	struct dg_reply reply;
};

struct dg_conn {
	TAILQ_ENTRY(dg_conn) link;
	struct dg_channel *ch;
	bool bulk; /* for one call */
	struct dg_dial *dial;
	int fd;
	sd_event_source *io;
	nghttp2_session *session;
	struct dg_call_list calls; /* submitted or waiting for the connection */
	struct dg_buf out;
	size_t out_off;
	uint64_t packed, written; /* bytes made, bytes the kernel took */
	dg_usec heard;            /* when something last arrived; 0: never */
	bool draining;            /* GOAWAY: no new calls */
	bool dead;                /* to be freed by settle */
	bool dirty;               /* something may be waiting to be written */
	struct dg_err why;        /* it died */
};

struct dg_channel {
	sd_event *event;
	char *address;
	struct dg_channel_limits limits;
	struct dg_conn *shared; /* also in conns; NULL when there is none to use */
	struct dg_conn_list conns;
	struct dg_call_list finished;
	size_t calls;
	sd_event_source *post;
	bool settling, freed;
	struct {
		dg_probe_fn *fn;
		void *arg;
		dg_usec asked, pinged;
		sd_event_source *timer;
		struct dg_conn *conn;
	} probe;
};

/* conn.c */
struct dg_conn *dg_conn_new(struct dg_channel *ch, bool bulk);
void dg_conn_free(struct dg_conn *c); /* its calls have gone */
void dg_conn_submit(struct dg_conn *c, struct dg_call *call);
void dg_conn_reset(struct dg_conn *c, struct dg_call *call); /* RST_STREAM CANCEL */
void dg_conn_ping(struct dg_conn *c);
void dg_conn_flush(struct dg_conn *c);

/* channel.c */
void dg_channel_attach(struct dg_channel *ch, struct dg_call *call);
void dg_channel_wake(struct dg_channel *ch); /* settle soon */
void dg_channel_settle(struct dg_channel *ch);
void dg_channel_heard(struct dg_channel *ch, struct dg_conn *c);

/* call.c */
void dg_call_finish(struct dg_call *call, int status, bool local, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void dg_call_failed(struct dg_call *call, int cls, const struct dg_err *e);
void dg_call_closed(struct dg_call *call, uint32_t h2_error);
void dg_call_lost(struct dg_call *call, const struct dg_err *why);
void dg_call_destroy(struct dg_call *call);

#endif
