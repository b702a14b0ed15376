/* ipc/codec.h: messages to bytes and back, by the table in daglet/msg.h. Pure. */
#ifndef DG_IPC_CODEC_H
#define DG_IPC_CODEC_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "daglet/limits.h"
#include "daglet/msg.h"

struct dg_msg_head {
	uint16_t type, flags;
	uint32_t epoch;
	uint64_t id;
};

#define DG_MSG_FLAG_FD 1u /* a descriptor comes with it */

/* The largest payload struct. */
union dg_msg_any {
#define X(name, lower, from, to, fields) struct dg_msg_##lower m_##lower;
	DG_MSG_TABLE(X)
#undef X
};

/* Append the message to OUT. RET_FD is the descriptor that has to go with it, or -1: that
 * of the payload, borrowed, or (OWN set) a new memfd for a large body, the caller's. */
int dg_msg_pack(enum dg_msg_type type, uint32_t epoch, uint64_t id, const void *payload,
	struct dg_buf *out, int *ret_fd, bool *own, struct dg_err *e);

/* Read a datagram into PAYLOAD. Strings and inline bodies point into it; a body behind
 * the descriptor is mapped (undo with dg_msg_release). FD is taken in any case. Anything
 * that is not exactly a message of the table is -DG_BUG. */
int dg_msg_unpack(const char *p, size_t n, int take_fd, struct dg_msg_head *head,
	union dg_msg_any *payload, struct dg_err *e);

/* Unmap and close what the handler has not taken. */
void dg_msg_release(enum dg_msg_type type, union dg_msg_any *payload);

/* An owned body, for those who keep one. */
struct dg_blob {
	char *p; /* heap, or a mapping of fd */
	size_t n;
	int fd; /* -1, or the memfd behind p */
};

#define DG_BLOB_INIT ((struct dg_blob){NULL, 0, -1})

/* Make the body the caller's; B is empty afterwards. */
void dg_body_take(struct dg_body *b, struct dg_blob *ret);
/* Copy of bytes; above DG_INLINE_MAX into a sealed memfd. */
int dg_blob_from(struct dg_blob *b, struct dg_str s, struct dg_err *e);
/* Wrap a sealed memfd (taken). */
int dg_blob_from_fd(struct dg_blob *b, int take_fd, struct dg_err *e);
struct dg_body dg_blob_body(const struct dg_blob *b);
struct dg_str dg_blob_str(const struct dg_blob *b);
void dg_blob_clear(struct dg_blob *b);

#define auto_blob __attribute__((cleanup(dg_blob_clear))) struct dg_blob

#endif
