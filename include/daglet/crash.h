/* daglet/crash.h: every point at which a test may kill, stop or fail a process.
 *
 * Only builds with --enable-crashpoints obey DAGLET_AT=name:nth:KILL|STOP|ERR[:FILE]; in
 * all others DG_CRASH(name) is nothing. nth counts in each process anew; with a FILE,
 * which must not be there yet, only the first process that gets so far obeys. The matrix of the crash tests is enumerated from this
 * table (`daglet --list-crashpoints`).
 */
#ifndef DAGLET_CRASH_H
#define DAGLET_CRASH_H

#include <stdbool.h>

/* clang-format off */
#define DG_CRASH_TABLE(X) \
	X(POPPED,        "poller: bytes of a pop have arrived, nothing handed on") \
	X(REQUEST_SENT,  "poller: a request was handed to the ledger") \
	X(RECORDING,     "ledger: a request is about to be committed") \
	X(RECORDED,      "ledger: committed, not yet acknowledged") \
	X(DISPATCHED,    "ledger: a request was given to a launcher") \
	X(CALLING,       "launcher: a call to a code server is about to be made") \
	X(REPLIED,       "launcher: the reply is there, the answer not sent on") \
	X(INTENT,        "launcher: the intent of a run is committed, nothing started") \
	X(STARTED,       "launcher: a run is started, its handle not committed") \
	X(ANSWERED,      "ledger: the answer is committed, not yet handed to the reporter") \
	X(UPLOADING,     "reporter: an answer is about to be uploaded") \
	X(UPLOADED,      "reporter: accepted by the control plane, not yet told to the ledger") \
	X(DELIVERED,     "ledger: told of the delivery, the request not yet forgotten")
/* clang-format on */

enum dg_crash_point {
#define X(name, what) DG_CRASH_##name,
	DG_CRASH_TABLE(X)
#undef X
		DG_CRASH_COUNT
};

const char *dg_crash_name(enum dg_crash_point p);
const char *dg_crash_what(enum dg_crash_point p);

#ifdef DAGLET_CRASHPOINTS
/* True: fail here (ERR). Does not return where DAGLET_AT says KILL. */
bool dg_crash_at(enum dg_crash_point p);
#define DG_CRASH(name) dg_crash_at(DG_CRASH_##name)
#else
#define DG_CRASH(name) false
#endif

#endif
