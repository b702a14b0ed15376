/* ledger/recover.h: what is done with a request that the store remembers. Pure.
 *
 * One table, read from the top: the first row that fits what was found says what is done.
 */
#ifndef DG_LEDGER_RECOVER_H
#define DG_LEDGER_RECOVER_H

#include <stdbool.h>

#include "daglet/request.h"
#include "ledger/store.h"

enum dg_recover {
	DG_RECOVER_FORGET,   /* it is there twice: the older one stands for both */
	DG_RECOVER_DELIVER,  /* its answer goes out, once more if need be */
	DG_RECOVER_REPEAT,   /* a launch answered before: it gets that answer again */
	DG_RECOVER_DISPATCH, /* as if it had been recorded just now */
	DG_RECOVER_LOOK,     /* dispatched as a second attempt: what may have happened is
				 looked for, or answered as lost (column on_lost) */
	DG_RECOVER_REFUSE, /* dispatched with its error: its answer says what was lost */
};

struct dg_found {
	enum dg_stage stage;
	enum dg_on_lost on_lost;
	bool body, answer; /* the bytes are there */
	bool twice;        /* an older request with this id is there */
	bool buried;       /* a tombstone has its id */
};

enum dg_recover dg_recover(const struct dg_found *f);
const char *dg_recover_name(enum dg_recover r);

/* Days that a launch's answer is remembered; a tombstone that is older goes, and so does
 * one from a future that no clock here can have seen (the clock was set back). */
#define DG_TOMBSTONE_DAYS 7
bool dg_tombstone_old(int64_t wall, int64_t now);

#endif
