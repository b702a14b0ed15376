/* ipc/link.h: one end of a channel between two roles, on the event loop.
 *
 * A link is a SOCK_SEQPACKET socket with an epoch. Sending queues and never waits: what
 * is queued goes out in one system call at the end of the loop's turn. Receiving reads in
 * batches and calls one handler per message. A message that is not allowed between the
 * two roles, malformed, or of another epoch ends the link (class DG_BUG); so does the
 * peer's end (class DG_TRANSPORT). Used by every role; knows no role.
 */
#ifndef DG_IPC_LINK_H
#define DG_IPC_LINK_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "daglet/msg.h"
#include "ipc/codec.h"

struct dg_link;

struct dg_link_ops {
	/* PAYLOAD is the struct of the type (struct dg_msg_...); what the handler does
	 * not take is released after it. Freeing the link inside is allowed. */
	void (*message)(struct dg_link *l, enum dg_msg_type type, uint64_t id,
		void *payload, void *arg);
	/* After a batch of messages; may be NULL. */
	void (*batch_end)(struct dg_link *l, void *arg);
	/* Nothing more will come or go; the owner frees the link (now or later). */
	void (*closed)(struct dg_link *l, const struct dg_err *why, void *arg);
	/* The out-queue has fallen below the bound again; may be NULL. */
	void (*drained)(struct dg_link *l, void *arg);
};

/* TAKE_FD is owned from the call on, also when it fails. */
int dg_link_new(struct dg_link **ret, sd_event *event, int take_fd, enum dg_role self,
	enum dg_role peer, uint32_t epoch, const struct dg_link_ops *ops, void *arg,
	struct dg_err *e);
void dg_link_free(struct dg_link *l);

/* Queue a message. Bodies and descriptors stay the caller's (they are copied or
 * duplicated). Fails only for a message that breaks the limits or on a closed link. */
int dg_link_send(struct dg_link *l, enum dg_msg_type type, uint64_t id,
	const void *payload, struct dg_err *e);
/* Push out what is queued now, as far as the socket takes it. */
void dg_link_flush(struct dg_link *l);

/* Over the bound: the caller should pause its source until drained(). */
bool dg_link_full(const struct dg_link *l);
size_t dg_link_queued(const struct dg_link *l); /* bytes */
uint32_t dg_link_epoch(const struct dg_link *l);
bool dg_link_open(const struct dg_link *l);

/* Messages that this process has handled, on all links. */
uint64_t dg_link_handled(void);
/* A burst is over: what it took of the space for receiving goes back to the system. Not
 * from inside a handler. */
void dg_link_give_back(void);

/* A connected pair, both ends non-blocking and close-on-exec. */
int dg_link_pair(int ret[2], struct dg_err *e);

#endif
