/* ledger/store_sql.h: the SQL of state.db; used by the store's own files alone. */
#ifndef DG_LEDGER_STORE_SQL_H
#define DG_LEDGER_STORE_SQL_H

#include <sqlite3.h>
#include <sys/queue.h>

#include "ledger/store.h"

#define DG_SPOOL_NAME 64
void dg_spool_name(char buf[DG_SPOOL_NAME], uint64_t id, bool answer);

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
	struct dg_buf unspool; /* uint64_t: their files go once the batch is on disk */
};

/* The SQLite error of the last call, and what to do about it. */
int dg_sql_fail(struct dg_sql *q, struct dg_err *e, const char *what);
int dg_sql_exec(struct dg_sql *q, const char *sql, struct dg_err *e);
/* E says that the file is no database, or a damaged one. */
bool dg_sql_is_damage(const struct dg_err *e);

int dg_sql_open(struct dg_sql *q, const char *dir, struct dg_err *e);
int dg_sql_load(struct dg_sql *q, const struct dg_store_loader *load, struct dg_err *e);
int dg_sql_begin(struct dg_sql *q, bool full, struct dg_err *e);
int dg_sql_apply(struct dg_sql *q, const struct dg_write *w, struct dg_err *e);
int dg_sql_commit(struct dg_sql *q, struct dg_err *e);
void dg_sql_rollback(struct dg_sql *q);
void dg_sql_close(struct dg_sql *q);

/* store_care.c: what keeps the folder in order. */

/* The folder exists and can be opened; spool/ is there. Sets q->dirfd. */
int dg_care_folder(struct dg_sql *q, const char *dir, struct dg_err *e);
/* state.db and its journal get a name that says when; the oldest such files go. */
int dg_care_move_aside(const char *dir, struct dg_err *e);
/* The newest file that was moved aside, or "". */
void dg_care_damaged(const struct dg_sql *q, char *buf, size_t size);
/* Files in spool/ that no request names: what a crash between file and row left. */
unsigned dg_care_orphans(struct dg_sql *q);
/* Give back what is free: old tombstones, some pages, the journal. 1: there is more. */
int dg_care_compact(struct dg_sql *q, struct dg_err *e);

#endif
