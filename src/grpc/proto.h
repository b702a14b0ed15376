/* grpc/proto.h: as much of protobuf as Dagster's messages need.
 *
 * A message has at most two fields, strings and a bool, so there is no generated code:
 * an encoder of three functions, and a walker that takes a message in pieces of any size
 * and hands each field on as it arrives, so that a reply of 100 MB needs no memory.
 * Pure; knows nothing of framing or compression (grpc/reader.h does).
 */
#ifndef DG_GRPC_PROTO_H
#define DG_GRPC_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Append a field. Values that are proto3's default (empty, false) are left out, as every
 * encoder does. */
void dg_pb_add_str(struct dg_buf *b, uint32_t field, struct dg_str v);
void dg_pb_add_bool(struct dg_buf *b, uint32_t field, bool v);

struct dg_pb_walk {
	int state; /* private */
	unsigned shift;
	uint64_t acc;
	uint32_t field;
	uint64_t left; /* bytes of the field still to come */
};

/* What a message is made of, as it comes. Numbers and fixed-size fields are skipped: no
 * reply that the agent reads has one that matters. */
struct dg_pb_handler {
	/* A piece of a length-delimited field; `last` with its end. An empty field gives
	 * one call with n == 0. A negative answer ends the walk and is passed on. */
	int (*bytes)(void *arg, uint32_t field, const char *p, size_t n, bool last);
	void *arg;
};

#define DG_PB_WALK_INIT ((struct dg_pb_walk){0, 0, 0, 0, 0})

/* Feed N bytes: 0, what the handler answered, or -DG_TRANSPORT for what is no message. */
int dg_pb_walk(struct dg_pb_walk *w, const struct dg_pb_handler *h, const char *p,
	size_t n, struct dg_err *e);
/* The message is over: 0, or -DG_TRANSPORT when it ended inside a field. W is ready for
 * the next one. */
int dg_pb_walk_end(struct dg_pb_walk *w, struct dg_err *e);

#endif
