/* Outputs with real files: what lands in the tail, rotation, adoption. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/process/lines.h"
#include "backend/process/output.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

#define MAX ((off_t)1 << 20)

static sd_event *loop;
static struct dg_outputs all;
static char dir[] = "/tmp/daglet-test-XXXXXX";
static char *path, *old;
static const struct dg_output_names names = {"srv", "0123", "prod", "loc"};

static void
setup(void)
{
	dg_log_init("test", "", DG_LOG_TEXT, LOG_EMERG);
	cr_assert(mkdtemp(dir));
	path = dg_xasprintf("%s/x.log", dir);
	old = dg_xasprintf("%s/x.log.1", dir);
	cr_assert_geq(sd_event_new(&loop), 0);
	cr_assert_eq(dg_outputs_open(&all, loop, MAX, NULL), 0);
}

static void
teardown(void)
{
	dg_outputs_close(&all);
	sd_event_unref(loop);
	unlink(path);
	unlink(old);
	rmdir(dir);
	free(path);
	free(old);
}

static void
tail_is(const struct dg_output *o, unsigned n, const char *want)
{
	auto_buf b = DG_BUF_INIT;

	dg_output_tail(o, n, 65536, &b);
	cr_assert_str_eq(b.p ? b.p : "", want);
}

static void
turn_until_small(void)
{
	struct stat st;

	for (int i = 0; i < 200; i++) {
		cr_assert_geq(sd_event_run(loop, 50000), 0);
		if (stat(path, &st) == 0 && st.st_size < 1000)
			return;
	}
	cr_assert_fail("the file was not rotated");
}

Test(output, tail_of_a_file, .init = setup, .fini = teardown)
{
	struct dg_output *o;

	cr_assert_eq(dg_output_new(&all, path, &names, &o, NULL), 0);
	tail_is(o, 5, "");
	cr_assert_eq(dg_write_all(dg_output_fd(o), "a\nb\nc\n", 6, NULL), 0);
	tail_is(o, 2, "b\nc\n");
	dg_output_free(o, true);
	cr_assert_neq(access(path, F_OK), 0);
}

Test(output, tail_in_memory, .init = setup, .fini = teardown)
{
	struct dg_output *o;

	cr_assert_eq(dg_output_new(&all, NULL, &names, &o, NULL), 0);
	cr_assert_null(dg_output_path(o));
	cr_assert(fcntl(dg_output_fd(o), F_GETFL) & O_APPEND);
	cr_assert_eq(dg_write_all(dg_output_fd(o), "a\nb\n", 4, NULL), 0);
	tail_is(o, 1, "b\n");
	dg_output_free(o, true);
}

Test(output, rotated_and_nothing_lost, .init = setup, .fini = teardown)
{
	struct dg_output *o;
	auto_buf b = DG_BUF_INIT;
	struct stat st;

	cr_assert_eq(dg_output_new(&all, path, &names, &o, NULL), 0);
	while ((off_t)b.n <= MAX)
		dg_buf_adds(&b, "a line that is printed again and again and again\n");
	dg_buf_adds(&b, "last before\n");
	cr_assert_eq(dg_write_all(dg_output_fd(o), b.p, b.n, NULL), 0);
	turn_until_small();
	cr_assert_eq(stat(old, &st), 0);
	cr_assert_eq((size_t)st.st_size, b.n);
	cr_assert_eq(dg_write_all(dg_output_fd(o), "first after\n", 12, NULL), 0);
	tail_is(o, 2, "last before\nfirst after\n");
	dg_output_free(o, true);
	cr_assert_neq(access(old, F_OK), 0);
}

Test(output, adopted_by_path, .init = setup, .fini = teardown)
{
	struct dg_output *o, *again;

	cr_assert_eq(dg_output_new(&all, path, &names, &o, NULL), 0);
	cr_assert_eq(dg_write_all(dg_output_fd(o), "a\n", 2, NULL), 0);
	cr_assert_eq(dg_output_adopt(&all, path, 0, &names, &again, NULL), 0);
	tail_is(again, 9, "a\n");
	dg_output_free(o, false);
	dg_output_free(again, true);
	cr_assert_lt(dg_output_adopt(&all, path, 0, &names, &again, NULL), 0);
}

Test(output, a_link_is_not_followed, .init = setup, .fini = teardown)
{
	struct dg_output *o;

	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_lt(dg_output_new(&all, path, &names, &o, NULL), 0);
}

Test(output, without_inotify_it_is_looked_at, .init = setup, .fini = teardown)
{
	struct dg_output *o;
	auto_buf b = DG_BUF_INIT;

	sd_event_source_disable_unref(all.changed);
	all.changed = NULL;
	close(all.inotify);
	all.inotify = -1;
	cr_assert_eq(dg_output_new(&all, path, &names, &o, NULL), 0);
	while ((off_t)b.n <= MAX)
		dg_buf_adds(&b, "a line that is printed again and again and again\n");
	cr_assert_eq(dg_write_all(dg_output_fd(o), b.p, b.n, NULL), 0);
	turn_until_small();
	dg_output_free(o, true);
}
