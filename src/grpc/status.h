/* grpc/status.h: gRPC's status codes and the small texts of its headers. Pure. */
#ifndef DG_GRPC_STATUS_H
#define DG_GRPC_STATUS_H

#include "base/str.h"
#include "base/time.h"

/* clang-format off */
#define DG_GRPC_STATUS_TABLE(X) \
	X(OK) X(CANCELLED) X(UNKNOWN) X(INVALID_ARGUMENT) X(DEADLINE_EXCEEDED) X(NOT_FOUND) \
	X(ALREADY_EXISTS) X(PERMISSION_DENIED) X(RESOURCE_EXHAUSTED) X(FAILED_PRECONDITION) \
	X(ABORTED) X(OUT_OF_RANGE) X(UNIMPLEMENTED) X(INTERNAL) X(UNAVAILABLE) X(DATA_LOSS) \
	X(UNAUTHENTICATED)
/* clang-format on */

enum dg_grpc_status {
#define X(name) DG_GRPC_##name,
	DG_GRPC_STATUS_TABLE(X)
#undef X
		DG_GRPC_STATUS_COUNT
};

/* "UNAVAILABLE"; a number that is none gives "UNKNOWN". */
const char *dg_grpc_status_name(int status);
/* The text of a grpc-status header; what is no code gives UNKNOWN, as gRPC says. */
int dg_grpc_status_parse(struct dg_str text);
/* What an answer without grpc-status means, by its HTTP status. */
int dg_grpc_status_of_http(int http);
/* The class of base/err.h that fits a status; 0 for OK. */
int dg_grpc_status_class(int status);

/* The longest grpc-message that is kept. */
#define DG_GRPC_TEXT_MAX 16384
/* Append a grpc-message to OUT: percent escapes resolved, at most DG_GRPC_TEXT_MAX bytes,
 * ill-formed UTF-8 as U+FFFD. */
void dg_grpc_text_decode(struct dg_str wire, struct dg_buf *out);

/* The value of grpc-timeout for what is left: milliseconds, at least 1, in at most 8
 * digits (else in seconds). BUF has 16 bytes; returns BUF. */
char *dg_grpc_timeout(dg_usec left, char *buf);

#endif
