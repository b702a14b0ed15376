/* What the sweep takes and what it leaves, with real files of any age. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/process/process.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "log/log.h"

#define DAY 86400

static char dir[] = "/tmp/daglet-test-XXXXXX";
static char state[64], runtime[64];
static struct dg_backend b;

static void
setup(void)
{
	struct dg_err e = {0};

	dg_log_init("test", "", DG_LOG_TEXT, LOG_EMERG);
	cr_assert(mkdtemp(dir));
	snprintf(state, sizeof state, "%s/s", dir);
	snprintf(runtime, sizeof runtime, "%s/r", dir);
	b.host.state_dir = state;
	b.host.runtime_dir = runtime;
	b.boot = dg_boot_id();
	b.pidns = dg_pid_namespace();
	cr_assert_eq(dg_folders_open(&b, &e), 0, "%s", e.what);
	cr_assert(b.runs_last);
}

static void
teardown(void)
{
	auto_free char *rm = dg_xasprintf("rm -rf %s", dir);

	cr_assert_eq(system(rm), 0);
	free(b.output_dir);
	free(b.runs_dir);
	free(b.socket_dir);
	dg_map_clear(&b.servers);
	dg_map_clear(&b.runs);
}

static void
make(const char *folder, const char *file, const char *text, int64_t age)
{
	auto_free char *path = dg_xasprintf("%s/%s", folder, file);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	time_t then = (time_t)(dg_wall_usec() / (int64_t)DG_SEC - age);
	struct timespec times[] = {{then, 0}, {then, 0}};

	cr_assert_eq(dg_write_all(fd, text, strlen(text), NULL), 0);
	cr_assert_eq(futimens(fd, times), 0);
}

static bool
there(const char *folder, const char *file)
{
	auto_free char *path = dg_xasprintf("%s/%s", folder, file);

	return access(path, F_OK) == 0;
}

#define OLD "00112233445566778899aabbccddeeff"
#define LIVE "ffeeddccbbaa99887766554433221100"
#define MINE "0123456789abcdef0123456789abcdef"

Test(sweep, markers, .init = setup, .fini = teardown)
{
	auto_free char *live = dg_xasprintf("%s %llu 1 1 %d %llu\n", b.boot, b.pidns,
		getpid(), dg_proc_start_time(getpid()));
	struct dg_unit u = {.b = &b, .run = true};

	strcpy(u.name, MINE);
	dg_map_put(&b.runs, DG_STR("a run"), &u);
	make(b.runs_dir, OLD ".started", "x\n", 8 * DAY);
	make(b.runs_dir, OLD ".exit", "exit 0\n", 8 * DAY);
	make(b.runs_dir, LIVE ".started", live, 8 * DAY);
	make(b.runs_dir, MINE ".started", "x\n", 8 * DAY);
	make(b.runs_dir, "young.started", "x\n", 6 * DAY);
	dg_folders_sweep(&b, dg_wall_usec());
	cr_assert_not(there(b.runs_dir, OLD ".started"));
	cr_assert_not(there(b.runs_dir, OLD ".exit"));
	cr_assert(there(b.runs_dir, LIVE ".started"), "its process lives");
	cr_assert(there(b.runs_dir, MINE ".started"), "it is watched");
	cr_assert(there(b.runs_dir, "young.started"));
}

Test(sweep, a_run_is_remembered_for_seven_days_after_its_end, .init = setup,
	.fini = teardown)
{
	int64_t now = dg_wall_usec(), days = DAY * (int64_t)DG_SEC;

	make(b.runs_dir, OLD ".started", "x\n", 20 * DAY); /* it took long */
	make(b.runs_dir, OLD ".exit", "exit 0\n", 0);
	dg_folders_sweep(&b, now + 6 * days);
	cr_assert(there(b.runs_dir, OLD ".started"), "it may not be started again");
	cr_assert(there(b.runs_dir, OLD ".exit"));
	dg_folders_sweep(&b, now + 7 * days - 60 * (int64_t)DG_SEC);
	cr_assert(there(b.runs_dir, OLD ".started"));
	dg_folders_sweep(&b, now + 7 * days + 60 * (int64_t)DG_SEC);
	cr_assert_not(there(b.runs_dir, OLD ".exit"));
	cr_assert_not(there(b.runs_dir, OLD ".started"));
}

Test(sweep, outputs, .init = setup, .fini = teardown)
{
	struct dg_unit u = {.b = &b};

	strcpy(u.name, "00000000000000a1");
	dg_map_put(&b.servers, DG_STR("00000000000000a1"), &u);
	make(b.output_dir, "00000000000000a1.log", "x", 0);
	make(b.output_dir, "00000000000000a1.log.1", "x", 0);
	make(b.output_dir, "00000000000000a2.log", "x", 0);
	make(b.output_dir, "00000000000000a2.log.1", "x", 0);
	make(b.output_dir, OLD ".run.log", "x", 2 * DAY);
	make(b.output_dir, OLD ".run.log.1", "x", 2 * DAY);
	make(b.output_dir, MINE ".run.log", "x", DAY / 2);
	dg_folders_sweep(&b, dg_wall_usec());
	cr_assert(there(b.output_dir, "00000000000000a1.log"));
	cr_assert(there(b.output_dir, "00000000000000a1.log.1"));
	cr_assert_not(there(b.output_dir, "00000000000000a2.log"));
	cr_assert_not(there(b.output_dir, "00000000000000a2.log.1"));
	cr_assert_not(there(b.output_dir, OLD ".run.log"));
	cr_assert_not(there(b.output_dir, OLD ".run.log.1"));
	cr_assert(there(b.output_dir, MINE ".run.log"));
}

static int
listener(const char *file, int64_t age)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	time_t then = (time_t)(dg_wall_usec() / (int64_t)DG_SEC - age);
	struct timespec times[] = {{then, 0}, {then, 0}};

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", b.socket_dir, file);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(utimensat(AT_FDCWD, sa.sun_path, times, 0), 0);
	return fd;
}

Test(sweep, sockets, .init = setup, .fini = teardown)
{
	int live = listener("00000001.s", DAY);

	close(listener("00000002.s", DAY));
	close(listener("00000003.s", 0));
	make(b.socket_dir, "status.socket", "", DAY);
	dg_folders_sweep(&b, dg_wall_usec());
	cr_assert(there(b.socket_dir, "00000001.s"), "somebody listens");
	cr_assert_not(there(b.socket_dir, "00000002.s"));
	cr_assert(there(b.socket_dir, "00000003.s"), "it may be about to listen");
	cr_assert(there(b.socket_dir, "status.socket"), "not ours to judge");
	close(live);
}
