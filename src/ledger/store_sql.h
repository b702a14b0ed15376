/* ledger/store_sql.h: the SQL of state.db; used by store.c alone. */
#ifndef DG_LEDGER_STORE_SQL_H
#define DG_LEDGER_STORE_SQL_H

#include <sqlite3.h>
#include <sys/queue.h>

#include "ledger/store.h"

enum dg_write_type {
	DG_W_RECORD,
	DG_W_SENT,
	DG_W_ANSWER,
	DG_W_FORGET,
	DG_W_BURY,
	DG_W_HANDLE,
	DG_W_META,
	DG_W_COUNT
};

/* One queued write; strings live in `space`. */
struct dg_write {
	STAILQ_ENTRY(dg_write) entry;
	enum dg_write_type type;
	uint64_t ticket;
	bool full; /* must be on disk before it counts */
	union {
		struct dg_row_request request;
		struct dg_row_handle handle;
	} row;
	struct dg_blob body; /* request body or answer */
	struct dg_str key, value;
	struct dg_buf space;
};

struct dg_sql {
	sqlite3 *db;
	sqlite3_stmt *stmt[DG_W_COUNT + 3]; /* prepared on first use */
	int dirfd;                          /* the state folder; spool/ is in it */
	bool synced;                        /* current PRAGMA synchronous is FULL */
};

int dg_sql_open(struct dg_sql *q, const char *dir, struct dg_err *e);
int dg_sql_load(struct dg_sql *q, const struct dg_store_loader *load, struct dg_err *e);
int dg_sql_begin(struct dg_sql *q, bool full, struct dg_err *e);
int dg_sql_apply(struct dg_sql *q, const struct dg_write *w, struct dg_err *e);
int dg_sql_commit(struct dg_sql *q, struct dg_err *e);
void dg_sql_rollback(struct dg_sql *q);
void dg_sql_close(struct dg_sql *q);

#endif
