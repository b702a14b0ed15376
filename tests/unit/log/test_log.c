/* Lines as people and programs get them; nothing that is said stops a role. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "json/json.h"

/* stderr goes into a memfd while a test logs. */
static int saved, file;

static void
capture(enum dg_log_format f, int prio)
{
	dg_log_init("poller", "gpu", f, prio);
	file = dg_memfd("stderr", NULL);
	saved = dup(STDERR_FILENO);
	dup2(file, STDERR_FILENO);
}

/* What was written, into B. */
static void
captured(struct dg_buf *b)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	lseek(file, 0, SEEK_SET);
	cr_assert_eq(dg_read_fd(file, 1 << 20, b, NULL), 0);
	close(file);
}

Test(log, a_text_line_has_role_place_text_and_fields)
{
	auto_buf b = DG_BUF_INIT;
	char expect[128];

	capture(DG_LOG_TEXT, LOG_INFO);
	dg_logkv(LOG_WARNING, DG_KV({"dep", "prod"}, {"loc", NULL}, {"req", "r1"}),
		"gone %d", 5);
	captured(&b);
	snprintf(expect, sizeof expect, " WARN  poller:gpu[%d] gone 5 dep=prod req=r1\n",
		getpid());
	cr_assert_gt(b.n, 24);
	cr_assert_str_eq(b.p + 24, expect);
	cr_assert(b.p[10] == 'T' && b.p[23] == 'Z', "%s", b.p);
}

Test(log, what_is_said_cannot_split_a_line_or_steer_a_terminal)
{
	auto_buf b = DG_BUF_INIT;

	capture(DG_LOG_TEXT, LOG_INFO);
	dg_logkv(LOG_INFO, DG_KV({"k", "v\nw"}), "a\nb\033[2Jc\x7f");
	captured(&b);
	cr_assert(strstr(b.p, "] a b [2Jc  k=v w\n"), "%s", b.p);
	cr_assert_eq(strchr(b.p, '\n'), b.p + b.n - 1);
}

Test(log, lines_below_the_level_are_not_written)
{
	auto_buf b = DG_BUF_INIT;

	capture(DG_LOG_TEXT, LOG_WARNING);
	dg_log(LOG_INFO, "no");
	dg_log(LOG_WARNING, "yes");
	captured(&b);
	cr_assert(strstr(b.p, "yes") && !strstr(b.p, "no\n"));
	cr_assert(dg_log_on(LOG_ERR) && !dg_log_on(LOG_INFO));
}

Test(log, a_json_line_is_json_whatever_is_in_it)
{
	static const char *const texts[] = {"plain", "quote\" back\\slash",
		"line\nend\ttab\x01", "caf\xc3\xa9", "\xff\xc3", ""};
	auto_buf b = DG_BUF_INIT;
	char *line, *rest;
	size_t i = 0;

	capture(DG_LOG_JSON, LOG_INFO);
	for (i = 0; i < DG_N(texts); i++)
		dg_logkv(LOG_INFO, DG_KV({"loc", texts[i]}), "%s", texts[i]);
	captured(&b);
	i = 0;
	for (line = strtok_r(b.p, "\n", &rest); line;
		line = strtok_r(NULL, "\n", &rest)) {
		struct dg_err e;
		auto_free char *message = NULL;
		auto_free char *loc = NULL;

		cr_assert_eq(dg_json_check(dg_str(line), 4, &e), 0, "%s", line);
		message = dg_json_member_dup(dg_str(line), "message");
		loc = dg_json_member_dup(dg_str(line), "loc");
		cr_assert_str_eq(message, i == 4 ? "??" : texts[i]);
		cr_assert_str_eq(loc, message);
		i++;
	}
	cr_assert_eq(i, DG_N(texts));
}

Test(log, a_line_that_is_too_long_is_cut_but_stays_a_line)
{
	static const enum dg_log_format formats[] = {DG_LOG_TEXT, DG_LOG_JSON};

	for (size_t i = 0; i < DG_N(formats); i++)
		for (int c = 0; c < 2; c++) {
			auto_free char *text = dg_xcalloc(100001, 1);
			auto_buf b = DG_BUF_INIT;

			memset(text, c ? 'x' : '\t', 100000);
			capture(formats[i], LOG_INFO);
			dg_logkv(LOG_INFO, DG_KV({"k", text}), "%s", text);
			captured(&b);
			cr_assert(b.n > 1000 && b.n <= 8192, "%zu", b.n);
			cr_assert_eq(b.p[b.n - 1], '\n');
			if (formats[i] == DG_LOG_JSON)
				cr_assert_eq(dg_json_check(dg_buf_str(&b), 4, NULL), 0);
		}
}

Test(log, a_pipe_that_nobody_reads_stops_nobody_and_the_loss_is_named)
{
	static const enum dg_log_format formats[] = {DG_LOG_TEXT, DG_LOG_JSON};

	for (size_t i = 0; i < DG_N(formats); i++) {
		auto_buf b = DG_BUF_INIT;
		int ends[2], keep = dup(STDERR_FILENO);

		cr_assert_eq(pipe(ends), 0);
		dg_log_init("ledger", "", formats[i], LOG_INFO);
		dup2(ends[1], STDERR_FILENO);
		for (int k = 0; k < 5000; k++) /* far more than the pipe takes */
			dg_log(LOG_INFO, "line %d", k);
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		for (char buf[4096]; read(ends[0], buf, sizeof buf) > 0;)
			;
		dg_log(LOG_INFO, "again");
		dup2(keep, STDERR_FILENO);
		close(keep);
		close(ends[1]);
		cr_assert_eq(dg_read_fd(ends[0], 1 << 20, &b, NULL), 0);
		cr_assert(strstr(b.p, "again"), "%s", b.p);
		cr_assert(strstr(b.p, "lines_dropped"), "%s", b.p);
		close(ends[0]);
	}
}

Test(log, an_error_comes_with_its_place_and_next_step)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_err e;

	dg_fail(&e, DG_CONFIG, 0, "it is wrong");
	dg_err_where(&e, "f.yaml:%d", 3);
	dg_err_next(&e, "mend it");
	capture(DG_LOG_TEXT, LOG_INFO);
	dg_log_err(LOG_ERR, &e, DG_KV({"run", "r"}));
	captured(&b);
	cr_assert(strstr(b.p, "f.yaml:3: it is wrong; mend it run=r\n"), "%s", b.p);
}

Test(log, names_of_formats)
{
	static const struct {
		const char *name;
		int format;
	} rows[] = {{"text", DG_LOG_TEXT}, {"json", DG_LOG_JSON},
		{"journal", DG_LOG_JOURNAL}, {"auto", DG_LOG_TEXT}, {"xml", -1}, {"", -1},
		{"Text", -1}};

	unsetenv("JOURNAL_STREAM");
	for (size_t i = 0; i < DG_N(rows); i++) {
		enum dg_log_format f = DG_LOG_JSON;
		struct dg_err e;
		int r = dg_log_format_parse(rows[i].name, &f, &e);

		cr_assert_eq(r, rows[i].format < 0 ? -DG_CONFIG : 0, "row %zu", i);
		cr_assert(r < 0 || (int)f == rows[i].format, "row %zu", i);
	}
}

Test(log, names_of_levels)
{
	static const struct {
		const char *name;
		int prio;
	} rows[] = {{"debug", LOG_DEBUG}, {"DEBUG", LOG_DEBUG}, {"info", LOG_INFO},
		{"notice", LOG_NOTICE}, {"WARNING", LOG_WARNING}, {"warn", LOG_WARNING},
		{"error", LOG_ERR}, {"err", LOG_ERR}, {"CRITICAL", LOG_CRIT},
		{"NOTSET", LOG_DEBUG}, {"loud", -1}, {"", -1}};

	for (size_t i = 0; i < DG_N(rows); i++) {
		int prio = -1, r = dg_log_level_parse(rows[i].name, &prio, NULL);

		cr_assert_eq(r, rows[i].prio < 0 ? -DG_CONFIG : 0, "row %zu", i);
		cr_assert_eq(prio, rows[i].prio, "row %zu", i);
	}
}

Test(log, the_journal_is_taken_only_where_stderr_goes_there)
{
	struct stat st;
	char stream[64];

	cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof stream, "%lu:%lu", (unsigned long)st.st_dev,
		(unsigned long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	cr_assert_eq(dg_log_format_auto(), DG_LOG_JOURNAL);
	setenv("JOURNAL_STREAM", "1:1", 1);
	cr_assert_eq(dg_log_format_auto(), DG_LOG_TEXT);
	setenv("JOURNAL_STREAM", "nonsense", 1);
	cr_assert_eq(dg_log_format_auto(), DG_LOG_TEXT);
}
