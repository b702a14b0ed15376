/* ledger/store_sql.c: see store_sql.h. Runs in the writer thread, but for open and load.
 */
#include "ledger/store_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daglet/crash.h"

/* Raise VERSION with every change; MIN_READER is the oldest build that may open it. */
#define SCHEMA_VERSION 1
#define SCHEMA_MIN_READER 1
#define DAMAGE_CHECK_MAX                                                                 \
	(64 << 20) /* a larger file's pages are checked as they are read */

static const char schema[] =
	"CREATE TABLE request("
	" id INTEGER PRIMARY KEY, stage INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" branch INTEGER NOT NULL, expire INTEGER NOT NULL, popped INTEGER NOT NULL,"
	" request_id TEXT NOT NULL, api TEXT NOT NULL, deployment TEXT NOT NULL,"
	" location TEXT NOT NULL, error TEXT NOT NULL, body BLOB, answer BLOB);"
	"CREATE TABLE handle("
	" what INTEGER NOT NULL, key TEXT NOT NULL, stage INTEGER NOT NULL,"
	" request INTEGER NOT NULL, wall INTEGER NOT NULL, deployment TEXT NOT NULL,"
	" location TEXT NOT NULL, nonce TEXT NOT NULL, handle BLOB,"
	" PRIMARY KEY(what, key)) WITHOUT ROWID;"
	"CREATE TABLE tombstone("
	" request_id TEXT PRIMARY KEY, wall INTEGER NOT NULL, answer BLOB) WITHOUT ROWID;"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;";

/* NULL in body or answer: the bytes are in spool/<id>.body or .answer. */
enum { STMT_TOMBSTONE = DG_W_COUNT, STMT_UNHANDLE };

/* Says whether files in spool/ go with it. */
#define DELETE                                                                           \
	"DELETE FROM request WHERE id=? RETURNING body IS NULL OR"                       \
	" (stage=3 AND answer IS NULL)"

static const char *const texts[] = {
	[DG_W_RECORD] =
		("INSERT OR REPLACE INTO request(id,stage,kind,branch,expire,popped,"
		 "request_id,api,deployment,location,error,body)"
		 " VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"),
	[DG_W_SENT] = "UPDATE request SET stage=2 WHERE id=?",
	[DG_W_ANSWER] = "UPDATE request SET stage=3, answer=?2 WHERE id=?1",
	[DG_W_FORGET] = DELETE,
	[DG_W_BURY] = DELETE,
	[DG_W_HANDLE] = ("INSERT OR REPLACE INTO handle(what,key,stage,request,wall,"
			 "deployment,location,nonce,handle) VALUES(?,?,?,?,?,?,?,?,?)"),
	[DG_W_META] = "INSERT OR REPLACE INTO meta(key,value) VALUES(?,?)",
	[STMT_TOMBSTONE] =
		"INSERT OR REPLACE INTO tombstone(request_id,wall,answer) VALUES(?,?,?)",
	[STMT_UNHANDLE] = "DELETE FROM handle WHERE what=? AND key=?",
};

int
dg_sql_fail(struct dg_sql *q, struct dg_err *e, const char *what)
{
	int code = sqlite3_extended_errcode(q->db), sys = sqlite3_system_errno(q->db);

	struct dg_err own;

	if (!e)
		e = &own;
	dg_fail(e, DG_TRANSPORT, 0, "state.db: %s: %s%s%s", what, sqlite3_errmsg(q->db),
		sys ? ": " : "", sys ? strerror(sys) : "");
	if ((code & 0xff) == SQLITE_FULL)
		dg_err_next(e, "make room on the disk of the state folder");
	else if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
		e->cls = DG_CONFIG;
		dg_err_next(e,
			"is another daglet using this state folder? Give each its own");
	} else if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) {
		e->cls = DG_CONFIG;
		e->num = EUCLEAN;
		dg_err_next(e, "move state.db away to start without what it remembered");
	}
	return -e->cls;
}

int
dg_sql_exec(struct dg_sql *q, const char *sql, struct dg_err *e)
{
	return sqlite3_exec(q->db, sql, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : dg_sql_fail(q, e, sql);
}

static int
pragma_int(struct dg_sql *q, const char *sql, int *ret, struct dg_err *e)
{
	sqlite3_stmt *st = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) != SQLITE_OK ||
		sqlite3_step(st) != SQLITE_ROW)
		r = dg_sql_fail(q, e, sql);
	else
		*ret = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return r;
}

static int
migrate(struct dg_sql *q, struct dg_err *e)
{
	int version, min_reader;
	char sql[128];
	int r = pragma_int(q, "PRAGMA user_version", &version, e);

	if (r < 0)
		return r;
	if (version == 0) {
		snprintf(sql, sizeof sql,
			"PRAGMA user_version=%d; PRAGMA application_id=%d",
			SCHEMA_VERSION, SCHEMA_MIN_READER);
		r = dg_sql_exec(q, "BEGIN EXCLUSIVE", e);
		if (r == 0)
			r = dg_sql_exec(q, schema, e);
		if (r == 0)
			r = dg_sql_exec(q, sql, e);
		return r == 0 ? dg_sql_exec(q, "COMMIT", e) : r;
	}
	/* application_id holds the oldest version of a reader that understands the file.
	 */
	r = pragma_int(q, "PRAGMA application_id", &min_reader, e);
	if (r == 0 && min_reader > SCHEMA_VERSION) {
		dg_fail(e, DG_CONFIG, 0,
			"state.db was written by a newer daglet (schema %d, readable "
			"from %d; "
			"this build knows %d)",
			version, min_reader, SCHEMA_VERSION);
		return dg_err_next(
			e, "run the newer daglet, or give this one another state folder");
	}
	return r;
}

bool
dg_sql_is_damage(const struct dg_err *e)
{
	return e->num == EUCLEAN;
}

/* Read all of it once, so that nobody starts from garbage. */
static int
check(struct dg_sql *q, struct dg_err *e)
{
	sqlite3_stmt *st = NULL;
	struct stat sb;
	int r = 0;

	if (fstatat(q->dirfd, "state.db", &sb, 0) == 0 && sb.st_size > DAMAGE_CHECK_MAX)
		return 0;
	if (sqlite3_prepare_v2(q->db, "PRAGMA quick_check(1)", -1, &st, NULL) !=
			SQLITE_OK ||
		sqlite3_step(st) != SQLITE_ROW) {
		r = dg_sql_fail(q, e, "cannot be checked");
	} else if (strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0) {
		r = dg_fail(e, DG_CONFIG, 0, "state.db: damaged: %s",
			(const char *)sqlite3_column_text(st, 0));
		e->num = EUCLEAN;
	}
	sqlite3_finalize(st);
	return r;
}

/* Free pages are given back in steps; a store from before that is written anew, once. */
static int
vacuum_in_steps(struct dg_sql *q, struct dg_err *e)
{
	int mode, r = pragma_int(q, "PRAGMA auto_vacuum", &mode, e);

	if (r < 0 || mode == 2)
		return r;
	return dg_sql_exec(q, "PRAGMA auto_vacuum=INCREMENTAL; VACUUM", e);
}

int
dg_sql_open(struct dg_sql *q, const char *dir, struct dg_err *e)
{
	auto_free char *path = dg_xasprintf("%s/state.db", dir);
	int r;

	*q = (struct dg_sql){.dirfd = -1};
	r = dg_care_folder(q, dir, e);
	if (r < 0)
		return r;
	sqlite3_soft_heap_limit64(2 << 20);
	if (sqlite3_open_v2(path, &q->db,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return dg_sql_fail(q, e, "cannot open");
	if (sqlite3_db_readonly(q->db, "main") == 1)
		return dg_fail(e, DG_TRANSPORT, 0, "%s can only be read", path);
	if (fchmodat(q->dirfd, "state.db", 0600, 0) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "%s", path);
	/* Exclusive before WAL: no shared memory, so network file systems stay possible.
	 */
	sqlite3_busy_timeout(q->db, 2000);
	r = dg_sql_exec(q,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA auto_vacuum=INCREMENTAL;"
		"PRAGMA journal_mode=WAL; PRAGMA cache_size=-256;"
		"PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=1000;"
		"PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304",
		e);
	if (r == 0)
		r = migrate(q, e);
	if (r == 0)
		r = check(q, e);
	if (r == 0)
		r = vacuum_in_steps(q, e);
	if (r == 0)
		r = dg_sql_exec(q, "BEGIN IMMEDIATE; COMMIT",
			e); /* take the lock now, not later */
	q->synced = true;
	return r;
}

static struct dg_str
column(sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_blob(st, i);

	return dg_strn(p ? p : "", (size_t)sqlite3_column_bytes(st, i));
}

void
dg_spool_name(char buf[DG_SPOOL_NAME], uint64_t id, bool answer)
{
	snprintf(buf, DG_SPOOL_NAME, "spool/%llu.%s", (unsigned long long)id,
		answer ? "answer" : "body");
}

/* The bytes of a column, or of the spool file that stands for it. */
static int
load_body(struct dg_sql *q, sqlite3_stmt *st, int col, uint64_t id, bool answer,
	struct dg_blob *blob, struct dg_body *ret, struct dg_err *e)
{
	auto_buf bytes = DG_BUF_INIT;
	char name[DG_SPOOL_NAME];
	int r;

	if (sqlite3_column_type(st, col) != SQLITE_NULL) {
		*ret = DG_BODY_STR(column(st, col));
		return 0;
	}
	dg_spool_name(name, id, answer);
	r = dg_read_file(q->dirfd, name, DG_BODY_MAX, &bytes, e);
	if (r == 0)
		r = dg_blob_from(blob, dg_buf_str(&bytes), e);
	if (r == 0)
		*ret = dg_blob_body(blob);
	return r;
}

static int
load_requests(struct dg_sql *q, const struct dg_store_loader *load, struct dg_err *e)
{
	sqlite3_stmt *st = NULL;
	int r = 0, step;

	if (sqlite3_prepare_v2(q->db,
		    "SELECT id,stage,kind,branch,expire,popped,request_id,"
		    "api,deployment,location,error,body,answer"
		    " FROM request ORDER BY id",
		    -1, &st, NULL) != SQLITE_OK)
		return dg_sql_fail(q, e, "cannot read requests");
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		auto_blob body = DG_BLOB_INIT;
		auto_blob answer = DG_BLOB_INIT;
		struct dg_row_request row = {
			.id = (uint64_t)sqlite3_column_int64(st, 0),
			.stage = (enum dg_stage)sqlite3_column_int(st, 1),
			.kind = (uint64_t)sqlite3_column_int64(st, 2),
			.branch = (uint64_t)sqlite3_column_int64(st, 3),
			.expire = (uint64_t)sqlite3_column_int64(st, 4),
			.popped = (uint64_t)sqlite3_column_int64(st, 5),
			.request_id = column(st, 6),
			.api = column(st, 7),
			.deployment = column(st, 8),
			.location = column(st, 9),
			.error = column(st, 10),
			.body = DG_BODY_NONE,
			.answer = DG_BODY_NONE,
		};
		struct dg_err lost;

		/* A spool file that is gone concerns this one request, no more. */
		row.answer_gone = row.stage == DG_REQ_ANSWERED &&
				  load_body(q, st, 12, row.id, true, &answer, &row.answer,
					  &lost) < 0;
		row.body_gone =
			(row.stage != DG_REQ_ANSWERED || row.answer_gone) &&
			load_body(q, st, 11, row.id, false, &body, &row.body, &lost) < 0;
		if (row.body_gone)
			row.error = dg_str(lost.what);
		load->request(load->arg, &row);
	}
	if (step != SQLITE_DONE)
		r = dg_sql_fail(q, e, "cannot read requests");
	sqlite3_finalize(st);
	return r;
}

static int
load_others(struct dg_sql *q, const struct dg_store_loader *load, struct dg_err *e)
{
	static const char *const selects[] = {

		("SELECT what,key,stage,request,wall,deployment,location,nonce,handle"
		 " FROM handle"),
		"SELECT request_id,wall,answer FROM tombstone",
		"SELECT key,value FROM meta"};
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		sqlite3_stmt *st = NULL;
		int step = SQLITE_DONE;

		if (sqlite3_prepare_v2(q->db, selects[i], -1, &st, NULL) != SQLITE_OK)
			return dg_sql_fail(q, e, selects[i]);
		while ((step = sqlite3_step(st)) == SQLITE_ROW) {
			if (i == 0)
				load->handle(load->arg,
					&(struct dg_row_handle){
						.what = (enum dg_handle_what)
							sqlite3_column_int(st, 0),
						.key = column(st, 1),
						.stage = (enum dg_handle_stage)
							sqlite3_column_int(st, 2),
						.request = (uint64_t)sqlite3_column_int64(
							st, 3),
						.wall = sqlite3_column_int64(st, 4),
						.deployment = column(st, 5),
						.location = column(st, 6),
						.nonce = column(st, 7),
						.handle = column(st, 8)});
			else if (i == 1)
				load->tombstone(load->arg,
					&(struct dg_row_tombstone){
						.request_id = column(st, 0),
						.wall = sqlite3_column_int64(st, 1),
						.answer = column(st, 2)});
			else
				load->meta(load->arg, column(st, 0), column(st, 1));
		}
		if (step != SQLITE_DONE)
			r = dg_sql_fail(q, e, selects[i]);
		sqlite3_finalize(st);
	}
	return r;
}

int
dg_sql_load(struct dg_sql *q, const struct dg_store_loader *load, struct dg_err *e)
{
	int r = load_others(q, load, e);

	return r == 0 ? load_requests(q, load, e) : r;
}

int
dg_sql_begin(struct dg_sql *q, bool full, struct dg_err *e)
{
	if (full != q->synced) {
		int r = dg_sql_exec(q,
			full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
			e);

		if (r < 0)
			return r;
		q->synced = full;
	}
	return dg_sql_exec(q, "BEGIN IMMEDIATE", e);
}

static sqlite3_stmt *
statement(struct dg_sql *q, int which)
{
	if (!q->stmt[which])
		(void)sqlite3_prepare_v3(q->db, texts[which], -1,
			SQLITE_PREPARE_PERSISTENT, &q->stmt[which], NULL);
	return q->stmt[which];
}

static void
bind_text(sqlite3_stmt *st, int i, struct dg_str s)
{
	sqlite3_bind_text(st, i, s.p ? s.p : "", (int)s.n, SQLITE_STATIC);
}

/* Small bytes into the row, large ones into spool/ and NULL into the row. */
static int
bind_body(struct dg_sql *q, sqlite3_stmt *st, int i, const struct dg_blob *b, uint64_t id,
	bool answer, struct dg_err *e)
{
	char name[DG_SPOOL_NAME];
	int r;

	if (b->n <= DG_SPOOL_MIN) {
		sqlite3_bind_blob(st, i, b->p ? b->p : "", (int)b->n, SQLITE_STATIC);
		return 0;
	}
	dg_spool_name(name, id, answer);
	(void)DG_CRASH_BEFORE(SPOOL);
	r = dg_replace_file(q->dirfd, name, b->p, b->n, 0600, e);
	(void)DG_CRASH_AFTER(SPOOL);
	return r;
}

static int
bind_record(
	struct dg_sql *q, sqlite3_stmt *st, const struct dg_write *w, struct dg_err *e)
{
	const struct dg_row_request *row = &w->row.request;

	sqlite3_bind_int64(st, 1, (sqlite3_int64)row->id);
	sqlite3_bind_int64(st, 2, row->stage);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)row->kind);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)row->branch);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)row->expire);
	sqlite3_bind_int64(st, 6, (sqlite3_int64)row->popped);
	bind_text(st, 7, row->request_id);
	bind_text(st, 8, row->api);
	bind_text(st, 9, row->deployment);
	bind_text(st, 10, row->location);
	bind_text(st, 11, row->error);
	return bind_body(q, st, 12, &w->body, row->id, false, e);
}

static void
bind_handle(sqlite3_stmt *st, const struct dg_row_handle *row)
{
	sqlite3_bind_int64(st, 1, row->what);
	bind_text(st, 2, row->key);
	sqlite3_bind_int64(st, 3, row->stage);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)row->request);
	sqlite3_bind_int64(st, 5, row->wall);
	bind_text(st, 6, row->deployment);
	bind_text(st, 7, row->location);
	bind_text(st, 8, row->nonce);
	sqlite3_bind_blob(st, 9, row->handle.p ? row->handle.p : "", (int)row->handle.n,
		SQLITE_STATIC);
}

static int
step(struct dg_sql *q, sqlite3_stmt *st, struct dg_err *e)
{
	int r = sqlite3_step(st) == SQLITE_DONE ? 0 : dg_sql_fail(q, e, "cannot write");

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r;
}

/* A request goes; its files do when that is certain. */
static int
forget(struct dg_sql *q, sqlite3_stmt *st, uint64_t id, struct dg_err *e)
{
	int r = sqlite3_step(st);

	if (r == SQLITE_ROW) {
		if (sqlite3_column_int(st, 0))
			dg_buf_add(&q->unspool, &id, sizeof id);
		r = sqlite3_step(st);
	}
	r = r == SQLITE_DONE ? 0 : dg_sql_fail(q, e, "cannot write");
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r;
}

/* A commit that was not synced may be undone by a power cut: then its requests are back
 * and need their files. */
static void
unspool(struct dg_sql *q)
{
	char name[DG_SPOOL_NAME];
	uint64_t id;

	if (!q->unspool.n)
		return;
	if (q->synced || sqlite3_wal_checkpoint_v2(q->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
				 NULL, NULL) == SQLITE_OK)
		for (size_t at = 0; at < q->unspool.n; at += sizeof id) {
			memcpy(&id, q->unspool.p + at, sizeof id);
			dg_spool_name(name, id, false);
			(void)unlinkat(q->dirfd, name, 0);
			dg_spool_name(name, id, true);
			(void)unlinkat(q->dirfd, name, 0);
		}
	dg_buf_reset(&q->unspool); /* what stays is an orphan for the next start */
}

int
dg_sql_apply(struct dg_sql *q, const struct dg_write *w, struct dg_err *e)
{
	bool gone = w->type == DG_W_HANDLE && w->row.handle.stage == DG_STAGE_GONE;
	sqlite3_stmt *st = statement(q, gone ? STMT_UNHANDLE : (int)w->type);
	uint64_t id = w->row.request.id;
	int r = 0;

	if (!st)
		return dg_sql_fail(q, e, "cannot prepare a statement");
	switch (w->type) {
	case DG_W_RECORD:
		r = bind_record(q, st, w, e);
		break;
	case DG_W_ANSWER:
		sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
		r = bind_body(q, st, 2, &w->body, id, true, e);
		break;
	case DG_W_HANDLE:
		bind_handle(st, &w->row.handle);
		break;
	case DG_W_META:
		bind_text(st, 1, w->key);
		sqlite3_bind_blob(st, 2, w->value.p ? w->value.p : "", (int)w->value.n,
			SQLITE_STATIC);
		break;
	default:
		sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
	}
	if (r == 0)
		r = w->type == DG_W_FORGET || w->type == DG_W_BURY ? forget(q, st, id, e)
								   : step(q, st, e);
	if (r == 0 && w->type == DG_W_BURY) {
		st = statement(q, STMT_TOMBSTONE);
		if (!st)
			return dg_sql_fail(q, e, "cannot prepare a statement");
		bind_text(st, 1, w->key);
		sqlite3_bind_int64(st, 2, dg_wall_usec());
		sqlite3_bind_blob(st, 3, w->value.p ? w->value.p : "", (int)w->value.n,
			SQLITE_STATIC);
		r = step(q, st, e);
	}
	return r;
}

int
dg_sql_commit(struct dg_sql *q, struct dg_err *e)
{
	int r = dg_sql_exec(q, "COMMIT", e);

	if (r == 0)
		unspool(q);
	return r;
}

void
dg_sql_rollback(struct dg_sql *q)
{
	dg_buf_reset(&q->unspool);
	(void)sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
}

void
dg_sql_close(struct dg_sql *q)
{
	for (size_t i = 0; i < DG_N(q->stmt); i++)
		sqlite3_finalize(q->stmt[i]);
	if (q->db)
		(void)sqlite3_close(q->db);
	dg_buf_clear(&q->unspool);
	dg_closep(&q->dirfd);
	*q = (struct dg_sql){.dirfd = -1};
}
