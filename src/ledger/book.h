/* ledger/book.h: the requests that are not yet delivered, in memory. Pure: no I/O.
 *
 * A request goes RECORDING (not yet committed) -> WAITING (for a launcher) -> WORKING ->
 * ANSWERING (the answer is not yet committed) -> ANSWERED (with the reporter) -> gone.
 * Request ids are unique among them: a second delivery of the same one is not a second
 * request. Launches leave a tombstone with their answer.
 */
#ifndef DG_LEDGER_BOOK_H
#define DG_LEDGER_BOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/time.h"
#include "daglet/msg.h"
#include "daglet/request.h"
#include "ipc/codec.h"
#include "ledger/lanes.h"

enum dg_entry_state {
	DG_ENTRY_RECORDING,
	DG_ENTRY_WAITING,
	DG_ENTRY_SENDING, /* dispatched once SENT is committed */
	DG_ENTRY_WORKING,
	DG_ENTRY_ANSWERING,
	DG_ENTRY_ANSWERED,
	DG_ENTRY_DELIVERING,
};

struct dg_entry {
	struct dg_lane_item lane;       /* first: an item is its entry */
	TAILQ_ENTRY(dg_entry) all, out; /* out: in the queue for the reporter */
	bool in_out;
	uint64_t id, ticket; /* ticket: the write that the state waits for */
	enum dg_entry_state state;
	uint64_t kind, branch, expire, popped, attempt;
	char *request_id, *api, *deployment, *location, *error;
	struct dg_blob body, answer;
	size_t bytes;  /* of the body, once there is one of the answer: for the credit */
	dg_usec since; /* when the state was reached */
	bool held;     /* a worker on a new link says that it has it */
	bool unstored; /* taken while the store was broken: it does not know of it */
};

TAILQ_HEAD(dg_entries, dg_entry);

struct dg_tombstone {
	int64_t wall;
	struct dg_buf answer;
};

struct dg_book {
	struct dg_entries all;    /* in the order of ids */
	struct dg_entries out;    /* answered, to be given to the reporter */
	struct dg_map by_request; /* request id -> struct dg_entry */
	struct dg_map by_id;      /* decimal row id -> struct dg_entry */
	struct dg_map tombstones; /* request id -> struct dg_tombstone */
	struct dg_lanes lanes;
	uint64_t next_id;
	size_t count, bytes;
	/* since the start */
	uint64_t recorded, repeated, answered, delivered, refused, dispatched;
};

void dg_book_init(struct dg_book *b);
void dg_book_clear(struct dg_book *b);

/* A new entry with the next id (or ID, when it comes from the store). Takes BODY. */
struct dg_entry *dg_book_add(struct dg_book *b, uint64_t id,
	const struct dg_msg_request *m, struct dg_body *body);
struct dg_entry *dg_book_by_id(const struct dg_book *b, uint64_t id);
struct dg_entry *dg_book_by_request(const struct dg_book *b, struct dg_str request_id);
void dg_book_state(struct dg_entry *en, enum dg_entry_state st);
/* The answer stands: the body goes, the answer waits in the queue for the reporter. What
 * waits there takes room like what comes in: popping stops first, nothing is dropped. */
void dg_book_answered(struct dg_book *b, struct dg_entry *en);
void dg_book_drop(struct dg_book *b, struct dg_entry *en);

void dg_book_bury(
	struct dg_book *b, struct dg_str request_id, struct dg_str answer, int64_t wall);
const struct dg_tombstone *dg_book_tombstone(
	const struct dg_book *b, struct dg_str request_id);
/* Those that are too old go (recover.h); how many. */
size_t dg_book_expire(struct dg_book *b, int64_t now);

/* How many requests and bytes may still come in. */
size_t dg_book_room(const struct dg_book *b);
size_t dg_book_room_bytes(const struct dg_book *b);

/* Must the store know that it was dispatched (because it may not happen twice)? */
bool dg_entry_needs_sent(const struct dg_entry *en);
bool dg_entry_is_launch(const struct dg_entry *en);
const char *dg_entry_state_name(enum dg_entry_state st);

#endif
