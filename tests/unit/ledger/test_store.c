/* What is committed is there after the process; what is broken is said. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "ledger/store.h"

struct seen {
	int requests, handles, tombstones, metas;
	struct {
		uint64_t id;
		enum dg_stage stage;
		char request_id[16], error[128], body[16], answer[16];
		size_t body_n, answer_n;
		bool gone;
	} request[8];
	char handle[64], tombstone[64], meta[64];
	uint64_t committed;
};

static void
on_request(void *arg, const struct dg_row_request *row)
{
	struct seen *s = arg;
	int i = s->requests++;

	cr_assert_lt(i, 8);
	s->request[i].id = row->id;
	s->request[i].stage = row->stage;
	s->request[i].body_n = row->body.n;
	s->request[i].gone = row->body_gone;
	s->request[i].answer_n = row->answer.n;
	snprintf(s->request[i].request_id, 16, "%.*s", DG_FMT(row->request_id));
	snprintf(s->request[i].error, 128, "%.*s", DG_FMT(row->error));
	snprintf(s->request[i].body, 16, "%.*s", (int)row->body.n, row->body.p);
	snprintf(s->request[i].answer, 16, "%.*s", (int)row->answer.n, row->answer.p);
}

static void
on_handle(void *arg, const struct dg_row_handle *row)
{
	struct seen *s = arg;

	s->handles++;
	snprintf(s->handle, 64, "%d %d %.*s %.*s", row->what, row->stage,
		DG_FMT(row->key), DG_FMT(row->handle));
}

static void
on_tombstone(void *arg, const struct dg_row_tombstone *row)
{
	struct seen *s = arg;

	s->tombstones++;
	snprintf(s->tombstone, 64, "%.*s %.*s", DG_FMT(row->request_id),
		DG_FMT(row->answer));
}

static void
on_meta(void *arg, struct dg_str key, struct dg_str value)
{
	struct seen *s = arg;

	s->metas++;
	snprintf(s->meta, 64, "%.*s=%.*s", DG_FMT(key), DG_FMT(value));
}

static void
on_committed(void *arg, uint64_t ticket)
{
	((struct seen *)arg)->committed = ticket;
}

static sd_event *ev;
static char dir[64];

static int
open_store(struct dg_store **s, struct seen *seen, struct dg_err *e)
{
	struct dg_store_loader load = {
		on_request, on_handle, on_tombstone, on_meta, seen};

	*seen = (struct seen){0};
	return dg_store_open(s, ev, dir[0] ? dir : NULL, &load, on_committed, seen, e);
}

static void
until(struct seen *seen, uint64_t ticket)
{
	dg_usec end = dg_now() + 10 * DG_SEC;

	while (seen->committed < ticket && dg_now() < end)
		sd_event_run(ev, 100 * DG_MSEC);
	cr_assert_geq(seen->committed, ticket);
}

static uint64_t
record(struct dg_store *s, uint64_t id, const char *name, size_t bytes)
{
	auto_free char *p = dg_xcalloc(bytes + 1, 1);
	struct dg_row_request row = {.id = id,
		.stage = DG_REQ_RECORDED,
		.kind = 1,
		.request_id = dg_str(name),
		.api = DG_STR("A"),
		.deployment = DG_STR("prod"),
		.location = DG_STR("etl"),
		.error = DG_STR(""),
		.body = DG_BODY(p, bytes)};

	memset(p, 'b', bytes);
	return dg_store_record(s, &row);
}

static void
setup(void)
{
	snprintf(dir, sizeof dir, "/tmp/daglet-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_geq(sd_event_new(&ev), 0);
}

static void
teardown(void)
{
	auto_free char *cmd = dg_xasprintf("rm -rf %s", dir);

	sd_event_unref(ev);
	cr_expect_eq(system(cmd), 0);
}

Test(store, remembers_each_stage, .init = setup, .fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;
	uint64_t t;
	auto_free char *big = dg_xcalloc(DG_SPOOL_MIN + 10, 1);

	memset(big, 'a', DG_SPOOL_MIN + 10);
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	record(s, 1, "small", 5);
	record(s, 2, "large", DG_SPOOL_MIN + 1);
	record(s, 3, "sent", 5);
	dg_store_sent(s, 3);
	record(s, 4, "answered", 5);
	dg_store_answer(s, 4, DG_BODY("yes", 3));
	record(s, 5, "answered-large", 5);
	dg_store_answer(s, 5, DG_BODY(big, DG_SPOOL_MIN + 10));
	record(s, 6, "forgotten", DG_SPOOL_MIN + 1);
	dg_store_forget(s, 6);
	record(s, 7, "buried", 5);
	dg_store_bury(s, 7, DG_STR("buried"), DG_STR("ok"));
	dg_store_handle(s, &(struct dg_row_handle){.what = DG_HANDLE_SERVER,
				   .stage = DG_STAGE_STARTED,
				   .key = DG_STR("gone"),
				   .handle = DG_STR("{}")});
	dg_store_handle(s, &(struct dg_row_handle){.what = DG_HANDLE_SERVER,
				   .stage = DG_STAGE_GONE,
				   .key = DG_STR("gone")});
	dg_store_handle(s, &(struct dg_row_handle){.what = DG_HANDLE_RUN,
				   .stage = DG_STAGE_STARTED,
				   .key = DG_STR("run-1"),
				   .handle = DG_STR("{\"pid\": 1}")});
	t = dg_store_meta(s, "k", DG_STR("v"));
	until(&seen, t);
	dg_store_close(s);

	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	cr_assert_eq(seen.requests, 5);
	cr_assert_eq(seen.request[0].stage, DG_REQ_RECORDED);
	cr_assert_str_eq(seen.request[0].body, "bbbbb");
	cr_assert_eq(seen.request[1].body_n, DG_SPOOL_MIN + 1);
	cr_assert_eq(seen.request[2].stage, DG_REQ_SENT);
	cr_assert_eq(seen.request[3].stage, DG_REQ_ANSWERED);
	cr_assert_str_eq(seen.request[3].answer, "yes");
	cr_assert_eq(seen.request[4].answer_n, DG_SPOOL_MIN + 10);
	cr_assert_eq(seen.handles, 1);
	cr_assert_str_eq(seen.handle, "1 1 run-1 {\"pid\": 1}");
	cr_assert_str_eq(seen.tombstone, "buried ok");
	cr_assert_str_eq(seen.meta, "k=v");
	dg_store_close(s);
}

Test(store, a_lost_spool_file_is_that_requests_error_alone, .init = setup,
	.fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;
	char path[128];

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	record(s, 1, "a", DG_SPOOL_MIN + 1);
	until(&seen, record(s, 2, "b", 3));
	dg_store_close(s);
	snprintf(path, sizeof path, "%s/spool/1.body", dir);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(open_store(&s, &seen, &e), 0);
	cr_assert_eq(seen.requests, 2);
	cr_assert(seen.request[0].gone);
	cr_assert_not(seen.request[1].gone);
	cr_assert(strstr(seen.request[0].error, "spool/1.body"), "%s",
		seen.request[0].error);
	cr_assert_str_eq(seen.request[1].error, "");
	dg_store_close(s);
}

Test(store, belongs_to_one_at_a_time, .init = setup, .fini = teardown)
{
	struct dg_store *s, *t;
	struct seen seen, other;
	struct dg_err e;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	cr_assert_lt(open_store(&t, &other, &e), 0);
	cr_assert_eq(e.cls, DG_CONFIG);
	cr_assert(strstr(e.next, "another daglet"), "%s", e.next);
	dg_store_close(s);
}

static void
spoil(const char *sql)
{
	auto_free char *path = dg_xasprintf("%s/state.db", dir);
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

Test(store, one_that_is_too_new_is_refused, .init = setup, .fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	until(&seen, record(s, 1, "a", 1));
	dg_store_close(s);
	spoil("PRAGMA user_version=99"); /* newer, but it says that we may read it */
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	dg_store_close(s);
	spoil("PRAGMA application_id=99");
	cr_assert_lt(open_store(&s, &seen, &e), 0);
	cr_assert_eq(e.cls, DG_CONFIG);
	cr_assert(strstr(e.what, "newer daglet"), "%s", e.what);
}

/* How many files in the folder (or in SUB of it) begin with PREFIX. */
static int
files(const char *sub, const char *prefix)
{
	auto_free char *path = dg_xasprintf("%s/%s", dir, sub);
	DIR *d = opendir(path);
	struct dirent *de;
	int n = 0;

	cr_assert_not_null(d);
	while ((de = readdir(d)))
		n += de->d_name[0] != '.' &&
		     strncmp(de->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

/* Overwrite bytes of state.db, or all of it where the file is shorter. */
static void
scribble(off_t at, size_t n)
{
	auto_free char *path = dg_xasprintf("%s/state.db", dir);
	auto_free char *junk = dg_xcalloc(n, 1);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	memset(junk, 'x', n);
	cr_assert_eq(pwrite(fd, junk, n, at), (ssize_t)n);
}

Test(store, garbage_is_moved_aside_and_never_started_from, .init = setup,
	.fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_store_health h;
	struct dg_err e;

	scribble(0, 8192);
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	cr_assert_eq(seen.requests, 0);
	dg_store_health(s, &h);
	cr_assert(h.opened && h.durable && !h.broken);
	cr_assert(dg_str_starts(dg_str(h.damaged), "state.db.damaged-"), "%s", h.damaged);
	cr_assert_eq(files("", "state.db.damaged-"), 1);
	until(&seen, record(s, 1, "a", 3));
	dg_store_close(s);
	cr_assert_eq(open_store(&s, &seen, &e), 0);
	cr_assert_eq(seen.requests, 1, "the new one is as good as any");
	dg_store_health(s, &h);
	cr_assert_neq(h.damaged[0], '\0', "said until somebody takes the file away");
	dg_store_close(s);
}

Test(store, damage_in_the_middle_is_found_before_anything_is_read, .init = setup,
	.fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	for (uint64_t i = 1; i < 8; i++)
		record(s, i, "r", 20000);
	until(&seen, record(s, 8, "r", 20000));
	dg_store_close(s); /* the last one to close empties the journal */
	scribble(4096, 4096 * 2);
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	cr_assert_eq(seen.requests, 0);
	cr_assert_eq(files("", "state.db.damaged-"), 1);
	dg_store_close(s);
}

Test(store, of_many_damaged_ones_the_newest_three_are_kept, .init = setup,
	.fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_store_health h;
	struct dg_err e;

	for (char c = '1'; c <= '5'; c++) {
		auto_free char *path =
			dg_xasprintf("%s/state.db.damaged-2026010%cT000000Z", dir, c);

		cr_assert_eq(dg_replace_file(AT_FDCWD, path, "x", 1, 0600, &e), 0);
	}
	scribble(0, 8192);
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	cr_assert_eq(files("", "state.db.damaged-"), 3);
	dg_store_health(s, &h);
	cr_assert_eq(files("", h.damaged), 1);
	cr_assert_eq(files("", "state.db.damaged-20260103"), 0);
	dg_store_close(s);
}

Test(store, what_the_disk_does_not_open_is_opened_later, .init = setup, .fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_store_health h;
	struct dg_err e;
	auto_free char *wal = dg_xasprintf("%s/state.db-wal", dir);
	dg_usec end = dg_now() + 10 * DG_SEC;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	until(&seen, record(s, 1, "before", 3));
	dg_store_close(s);
	cr_assert_eq(mkdir(wal, 0700), 0); /* no journal can be written */
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	dg_store_health(s, &h);
	cr_assert(h.durable && !h.opened && h.broken && h.error[0]);
	record(s, 2, "meanwhile", 3);
	cr_assert_eq(rmdir(wal), 0);
	do {
		sd_event_run(ev, 20 * DG_MSEC);
		dg_store_health(s, &h);
	} while ((!h.reopened || h.queued) && dg_now() < end);
	cr_assert(h.reopened && !h.opened && !h.broken);
	dg_store_close(s);
	cr_assert_eq(open_store(&s, &seen, &e), 0);
	cr_assert_eq(seen.requests, 2, "what it knew and what was queued");
	dg_store_close(s);
}

Test(store, a_folder_that_is_not_there_is_a_matter_of_configuration, .init = setup,
	.fini = teardown)
{
	char there[sizeof dir];
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;

	memcpy(there, dir, sizeof dir);
	snprintf(dir, sizeof dir, "%.40s/none", there);
	cr_assert_eq(open_store(&s, &seen, &e), -DG_CONFIG);
	cr_assert(strstr(e.next, "state_dir"), "%s", e.next);
	memcpy(dir, there, sizeof dir);
}

Test(store, files_that_no_row_names_go, .init = setup, .fini = teardown)
{
	static const char *const strays[] = {"7.body", "8.answer", "1.body.tmp", "junk"};
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	until(&seen, record(s, 1, "kept", DG_SPOOL_MIN + 1));
	dg_store_close(s);
	for (size_t i = 0; i < DG_N(strays); i++) {
		auto_free char *path = dg_xasprintf("%s/spool/%s", dir, strays[i]);

		cr_assert_eq(dg_replace_file(AT_FDCWD, path, "x", 1, 0600, &e), 0);
	}
	cr_assert_eq(open_store(&s, &seen, &e), 0);
	cr_assert_eq(seen.request[0].body_n, DG_SPOOL_MIN + 1);
	cr_assert_eq(files("spool", ""), 1);
	until(&seen, dg_store_forget(s, 1));
	cr_assert_eq(files("spool", ""), 0);
	dg_store_close(s);
}

Test(store, shrinks_when_it_has_nothing_to_do, .init = setup, .fini = teardown)
{
	auto_free char *db = dg_xasprintf("%s/state.db", dir);
	auto_free char *wal = dg_xasprintf("%s/state.db-wal", dir);
	dg_usec end = dg_now() + 20 * DG_SEC;
	struct stat full, now, journal;
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;
	uint64_t t = 0;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	for (uint64_t i = 1; i <= 40; i++)
		t = record(s, i, "r", 200000);
	until(&seen, t);
	for (uint64_t i = 1; i <= 40; i++)
		t = dg_store_forget(s, i);
	until(&seen, t);
	cr_assert_eq(stat(db, &full), 0);
	do {
		sd_event_run(ev, 50 * DG_MSEC);
		cr_assert_eq(stat(db, &now), 0);
		cr_assert_eq(stat(wal, &journal), 0);
	} while ((now.st_size > 200000 || journal.st_size) && dg_now() < end);
	cr_assert_lt(
		now.st_size, 200000, "%ld of %ld", (long)now.st_size, (long)full.st_size);
	cr_assert_eq(journal.st_size, 0);
	dg_store_close(s);
}

Test(store, one_of_before_learns_to_shrink, .init = setup, .fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	until(&seen, record(s, 1, "a", 3));
	dg_store_close(s);
	spoil("PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=NONE; VACUUM");
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	cr_assert_eq(seen.requests, 1);
	dg_store_close(s);
}

Test(store, a_newer_ones_columns_are_left_alone, .init = setup, .fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_err e;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	dg_store_close(s);
	spoil("PRAGMA user_version=2; ALTER TABLE request ADD COLUMN more TEXT;"
	      "ALTER TABLE handle ADD COLUMN more TEXT;"
	      "ALTER TABLE tombstone ADD COLUMN more TEXT");
	cr_assert_eq(open_store(&s, &seen, &e), 0, "%s", e.what);
	record(s, 1, "a", 3);
	record(s, 2, "b", 3);
	dg_store_bury(s, 2, DG_STR("b"), DG_STR("ok"));
	until(&seen, dg_store_handle(s, &(struct dg_row_handle){.what = DG_HANDLE_RUN,
						.stage = DG_STAGE_STARTED,
						.key = DG_STR("run-1")}));
	dg_store_close(s);
	cr_assert_eq(open_store(&s, &seen, &e), 0);
	cr_assert_eq(seen.requests + seen.handles + seen.tombstones, 3);
	dg_store_close(s);
}

Test(store, what_cannot_be_written_waits_and_is_written_later, .init = setup,
	.fini = teardown)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_store_health h;
	struct dg_err e;
	auto_free char *spool = dg_xasprintf("%s/spool", dir);
	auto_free char *away = dg_xasprintf("%s/elsewhere", dir);
	dg_usec end = dg_now() + 10 * DG_SEC;
	uint64_t t;

	cr_assert_eq(open_store(&s, &seen, &e), 0);
	cr_assert_eq(rename(spool, away), 0); /* a large body has nowhere to go */
	t = record(s, 1, "a", DG_SPOOL_MIN + 1);
	do {
		sd_event_run(ev, 20 * DG_MSEC);
		dg_store_health(s, &h);
	} while (!h.broken && dg_now() < end);
	cr_assert(h.broken);
	cr_assert(strstr(h.error, "spool"), "%s", h.error);
	cr_assert_eq(seen.committed, 0);
	cr_assert_eq(rename(away, spool), 0);
	until(&seen, t);
	dg_store_health(s, &h);
	cr_assert_not(h.broken);
	dg_store_close(s);
}

Test(store, without_a_folder_all_is_said_to_be_done_and_nothing_durable)
{
	struct dg_store *s;
	struct seen seen;
	struct dg_store_health h;
	struct dg_err e;

	dir[0] = '\0';
	cr_assert_geq(sd_event_new(&ev), 0);
	cr_assert_eq(open_store(&s, &seen, &e), 0);
	until(&seen, record(s, 1, "a", 3));
	dg_store_health(s, &h);
	cr_assert_not(h.durable);
	dg_store_close(s);
	sd_event_unref(ev);
}
