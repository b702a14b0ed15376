/* ledger/store_care.c: the state folder: made, kept in order, cleared of damage. See
 * store_sql.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ledger/recover.h"
#include "ledger/store_sql.h"

#define DAMAGED "state.db.damaged-"
#define DAMAGED_KEPT 3
#define PAGES_PER_TURN 1000

/* A disk that fails mends, a name that is wrong does not. */
static int
folder_class(int num)
{
	return num == ENOENT || num == ENOTDIR || num == EACCES || num == EPERM ||
			       num == ELOOP || num == ENAMETOOLONG
		       ? DG_CONFIG
		       : DG_TRANSPORT;
}

int
dg_care_folder(struct dg_sql *q, const char *dir, struct dg_err *e)
{
	q->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q->dirfd < 0) {
		dg_fail(e, folder_class(errno), errno, "cannot open the state folder %s",
			dir);
		return dg_err_next(e, "make it, or set state_dir in daglet.yaml");
	}
	if (mkdirat(q->dirfd, "spool", 0700) < 0 && errno != EEXIST)
		return dg_fail(e, folder_class(errno), errno,
			"cannot write in the state folder %s", dir);
	return 0;
}

/* How many were moved aside; the newest and the oldest by name, or "". */
static unsigned
find_damaged(const struct dg_sql *q, char *newest, char *oldest, size_t size)
{
	int fd = openat(q->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;
	unsigned n = 0;

	newest[0] = oldest[0] = '\0';
	while (d && (de = readdir(d))) {
		size_t len = strlen(de->d_name);

		if (strncmp(de->d_name, DAMAGED, strlen(DAMAGED)) != 0 || len >= size ||
			(len > 4 && strcmp(de->d_name + len - 4, "-wal") == 0))
			continue;
		n++;
		if (!newest[0] || strcmp(de->d_name, newest) > 0)
			snprintf(newest, size, "%s", de->d_name);
		if (!oldest[0] || strcmp(de->d_name, oldest) < 0)
			snprintf(oldest, size, "%s", de->d_name);
	}
	if (d)
		closedir(d);
	else
		dg_closep(&fd);
	return n;
}

void
dg_care_damaged(const struct dg_sql *q, char *buf, size_t size)
{
	char oldest[64];

	(void)find_damaged(q, buf, oldest, size < sizeof oldest ? size : sizeof oldest);
}

int
dg_care_move_aside(const char *dir, struct dg_err *e)
{
	char name[64], wal[72], newest[64], oldest[64];
	time_t now = (time_t)(dg_wall_usec() / (int64_t)DG_SEC);
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dg_sql at = {.dirfd = fd};
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(name, sizeof name, DAMAGED "%Y%m%dT%H%M%SZ", &tm);
	snprintf(wal, sizeof wal, "%s-wal", name);
	(void)renameat(fd, "state.db-wal", fd, wal);
	if (fd < 0 || renameat(fd, "state.db", fd, name) < 0)
		return dg_fail(
			e, DG_TRANSPORT, errno, "cannot move %s/state.db aside", dir);
	while (find_damaged(&at, newest, oldest, sizeof newest) > DAMAGED_KEPT) {
		snprintf(wal, sizeof wal, "%s-wal", oldest);
		(void)unlinkat(fd, wal, 0);
		if (unlinkat(fd, oldest, 0) < 0)
			break;
	}
	return 0;
}

static bool
is_wanted(sqlite3_stmt *st, const char *name)
{
	uint64_t id;
	char kind[8], again[DG_SPOOL_NAME];
	bool wanted = false;

	if (sscanf(name, "%" SCNu64 ".%7s", &id, kind) != 2)
		return false;
	dg_spool_name(again, id, strcmp(kind, "answer") == 0);
	if (strcmp(again + strlen("spool/"), name) != 0)
		return false; /* a temporary file, or none of ours */
	sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
	/* Not being able to look is no reason to remove it. */
	wanted = sqlite3_step(st) != SQLITE_DONE;
	sqlite3_reset(st);
	return wanted;
}

unsigned
dg_care_orphans(struct dg_sql *q)
{
	int fd = openat(q->dirfd, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	sqlite3_stmt *st = NULL;
	struct dirent *de;
	unsigned n = 0;

	if (!d) {
		dg_closep(&fd);
		return 0;
	}
	if (sqlite3_prepare_v2(q->db, "SELECT 1 FROM request WHERE id=?", -1, &st,
		    NULL) == SQLITE_OK)
		while ((de = readdir(d)))
			if (de->d_name[0] != '.' && !is_wanted(st, de->d_name))
				n += unlinkat(fd, de->d_name, 0) == 0;
	sqlite3_finalize(st);
	closedir(d);
	return n;
}

static int
drop_tombstones(struct dg_sql *q, struct dg_err *e)
{
	int64_t now = dg_wall_usec(),
		keep = (int64_t)(DG_TOMBSTONE_DAYS * 24 * 60 * DG_MINUTE);
	auto_free char *sql = dg_xasprintf("DELETE FROM tombstone WHERE wall<%" PRId64
					   " OR wall>%" PRId64,
		now - keep, now + keep);

	return dg_sql_exec(q, sql, e);
}

static bool
has_free_pages(struct dg_sql *q)
{
	sqlite3_stmt *st = NULL;
	bool some = sqlite3_prepare_v2(q->db, "PRAGMA freelist_count", -1, &st, NULL) ==
			    SQLITE_OK &&
		    sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0) > 0;

	sqlite3_finalize(st);
	return some;
}

int
dg_care_compact(struct dg_sql *q, struct dg_err *e)
{
	auto_free char *vacuum =
		dg_xasprintf("PRAGMA incremental_vacuum(%d)", PAGES_PER_TURN);
	int r = drop_tombstones(q, e);

	if (r == 0)
		r = dg_sql_exec(q, vacuum, e);
	if (r == 0 && sqlite3_wal_checkpoint_v2(q->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
			      NULL, NULL) != SQLITE_OK)
		r = dg_sql_fail(q, e, "cannot shorten the journal");
	return r == 0 && has_free_pages(q) ? 1 : r;
}
