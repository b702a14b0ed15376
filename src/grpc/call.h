/* grpc/call.h: one gRPC call, with one reply message or a stream of them.
 *
 * A reply is never held whole unless the caller wants it: what arrives is inflated and
 * taken apart as it comes (grpc/reader.h), and each field goes to a buffer or to the
 * caller's sink. In a stream the same field of all messages is joined, as Dagster's
 * chunked replies want it.
 *
 * No call is repeated unasked, except where the server cannot have seen it: the stream
 * was refused, or an old connection broke before a byte of it had left. That happens once
 * per call; a server that cannot be reached at all is an answer (`sent` false).
 */
#ifndef DG_GRPC_CALL_H
#define DG_GRPC_CALL_H

#include "base/str.h"
#include "grpc/channel.h"
#include "grpc/status.h"

struct dg_call;

struct dg_meta {
	const char *name, *value; /* lower-case name */
};

/* Fields 1 to 3 of the reply; no message has more that matter. */
#define DG_REPLY_FIELDS 4

struct dg_reply {
	int status; /* enum dg_grpc_status */
	bool local; /* the status was made here and not by the server */
	bool sent;  /* a byte of the request may have left */
	/* Unless OK: the class, and in `what` the text (cut to fit). */
	struct dg_err err;
	/* The server's grpc-message (or our text) up to DG_GRPC_TEXT_MAX bytes. */
	struct dg_str text;
	/* What was collected; take with dg_buf_take() or by copying the struct and
	 * setting DG_BUF_INIT. Only whole when the status is OK. */
	struct dg_buf field[DG_REPLY_FIELDS];
	unsigned messages;
	uint64_t bytes; /* decompressed */
};

struct dg_call_spec {
	const char *method;         /* "Ping", or a whole path that starts with '/' */
	const struct dg_meta *meta; /* `metas` of them; copied */
	size_t metas;
	dg_usec timeout; /* from now; grpc-timeout says it to the server */
	bool stream;     /* any number of reply messages; else there must be one */
	bool bulk;       /* a connection of its own */
	/* The field (1 to 3) that goes to the sink instead of into a buffer; 0: none. An
	 * answer below 0 from the sink ends the call with RESOURCE_EXHAUSTED for
	 * -DG_LIMIT, else INTERNAL, and the sink's error. It may not start or end calls.
	 */
	uint32_t sink_field;
	int (*sink)(void *arg, const char *p, size_t n, struct dg_err *e);
	size_t message_max; /* decompressed; 0: the channel's */
	uint64_t total_max; /* of all messages; 0: DG_BODY_MAX */
	/* Called once, from the loop. CALL and REPLY end with it. */
	void (*done)(void *arg, struct dg_call *call, struct dg_reply *reply);
	void *arg;
};

/* MESSAGE (protobuf, made with grpc/proto.h) is taken: it is empty afterwards. Whatever
 * is wrong is said through `done`: a request that is too large (RESOURCE_EXHAUSTED) or
 * not UTF-8 (INTERNAL) does not leave. NULL only while the channel is being freed. */
struct dg_call *dg_call_start(
	struct dg_channel *ch, const struct dg_call_spec *spec, struct dg_buf *message);

/* Ends it; `done` is not called. The server may go on with it (its thread is not free).
 */
void dg_call_cancel(struct dg_call *call);

#endif
