/* grpc/reader.h: the body of a reply, in pieces of any size, to the fields in it:
 * 5-byte framing -> inflate (gzip, each message by itself) -> protobuf fields.
 *
 * Code servers compress whatever the caller says, and a megabyte of wire may be a
 * gigabyte of text, so the limits count what came out of the inflater. Of a field only
 * the piece in hand is in memory. Pure but for zlib; grpc/call.h owns one per call.
 */
#ifndef DG_GRPC_READER_H
#define DG_GRPC_READER_H

#include <zlib.h>

#include "grpc/proto.h"

struct dg_reader {
	size_t message_max; /* decompressed bytes of one message */
	uint64_t total_max; /* and of all together */
	struct dg_pb_handler handler;

	/* private */
	bool gzip; /* set once the headers said grpc-encoding: gzip */
	unsigned char head[5];
	unsigned have;  /* of head */
	bool inside;    /* of a message */
	bool packed;    /* this message is compressed */
	bool ended;     /* its gzip stream has ended */
	uint32_t left;  /* wire bytes of this message still to come */
	size_t size;    /* decompressed bytes of this message */
	uint64_t total; /* of all messages */
	unsigned messages;
	bool have_z;
	z_stream z;
	struct dg_pb_walk walk;
};

void dg_reader_init(struct dg_reader *r, size_t message_max, uint64_t total_max,
	struct dg_pb_handler handler);
void dg_reader_clear(struct dg_reader *r);
/* N bytes of the body: 0, -DG_TRANSPORT (not what gRPC allows), -DG_LIMIT, or what the
 * handler answered. */
int dg_reader_feed(struct dg_reader *r, const char *p, size_t n, struct dg_err *e);
/* The body is over: -DG_TRANSPORT when it ended inside a message. */
int dg_reader_end(struct dg_reader *r, struct dg_err *e);

#endif
