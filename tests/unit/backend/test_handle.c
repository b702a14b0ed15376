#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/process/handle.h"

#define BOOT "0a1b2c3d-0000-1111-2222-333344445555"

Test(handle, what_is_written_is_read)
{
	struct dg_handle h = {.pidns = 4026531836,
				 .pid = 123,
				 .start = 456789,
				 .parent = 122,
				 .parent_start = 456788},
			 back;
	auto_buf b = DG_BUF_INIT;

	strcpy(h.boot, BOOT);
	h.location = (char *)"a \"b\" \n\xc3\xa4";
	h.socket = (char *)"/run/daglet/0123abcd.s";
	dg_handle_write(&h, &b);
	cr_assert(dg_handle_read(dg_buf_str(&b), &back), "%s", b.p);
	cr_assert_str_eq(back.boot, BOOT);
	cr_assert_eq(back.pidns, h.pidns);
	cr_assert_eq(back.pid, 123);
	cr_assert_eq(back.start, 456789);
	cr_assert_eq(back.parent, 122);
	cr_assert_eq(back.parent_start, 456788);
	cr_assert_str_eq(back.location, h.location);
	cr_assert_str_eq(back.socket, h.socket);
	cr_assert_null(back.output);
	cr_assert_null(back.deployment);
	dg_handle_clear(&back);
}

Test(handle, stays_small_with_long_names)
{
	struct dg_handle h = {.pid = 2, .start = 1}, back;
	auto_buf b = DG_BUF_INIT;
	char name[1025];

	memset(name, 1, 1024);
	name[1024] = '\0';
	h.deployment = h.location = name;
	dg_handle_write(&h, &b);
	cr_assert_lt(b.n, 4096);
	cr_assert(dg_handle_read(dg_buf_str(&b), &back));
	cr_assert_eq(strlen(back.location), 200);
	dg_handle_clear(&back);
}

Test(handle, anything_else_is_refused)
{
	static const char *const bad[] = {"", "null", "[]", "{}", "{\"boot\":\"x\"}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":1,\"start\":1}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":0,\"start\":1}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":-5,\"start\":1}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":9999999999,\"start\":1}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":\"7\",\"start\":1}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":7,\"start\":-1}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":7,\"start\":1,\"parent\":6}",
		"{\"boot\":\"" BOOT BOOT "\",\"pidns\":1,\"pid\":7,\"start\":1}",
		"{\"container\":\"abc\"}",
		"{\"boot\":\"x\",\"pidns\":1,\"pid\":7,\"start\":1"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct dg_handle h;

		cr_assert_not(dg_handle_read(dg_str(bad[i]), &h), "%s", bad[i]);
		cr_assert_null(h.socket);
	}
}

Test(handle, a_run_id_becomes_a_file_name)
{
	char a[DG_RUN_NAME + 1], b[DG_RUN_NAME + 1];

	dg_run_name("../../etc/passwd", a);
	cr_assert_eq(strlen(a), DG_RUN_NAME);
	cr_assert_eq(strspn(a, "0123456789abcdef"), DG_RUN_NAME);
	dg_run_name("abc", b);
	cr_assert_str_eq(b, "ba7816bf8f01cfea414140de5dae2223");
}

Test(marker, whole)
{
	struct dg_handle h;
	int num;

	cr_assert(dg_marker_read(DG_STR(BOOT " 4026531836 10 111 12 222\n"), &h, &num));
	cr_assert_str_eq(h.boot, BOOT);
	cr_assert_eq(h.pidns, 4026531836);
	cr_assert_eq(h.parent, 10);
	cr_assert_eq(h.parent_start, 111);
	cr_assert_eq(h.pid, 12);
	cr_assert_eq(h.start, 222);
	cr_assert_eq(num, 0);
	cr_assert(dg_marker_read(
		DG_STR(BOOT " 4026531836 10 111 12 222\nexec 8\n"), &h, &num));
	cr_assert_eq(num, 8);
}

Test(marker, half_written_or_wrong)
{
	static const char *const bad[] = {"", BOOT, BOOT " 4026531836 10 111 12 222",
		BOOT " 4026531836 10 111 12\n", "\n", "x y z\n",
		BOOT " 4026531836 10 111 1 222\n"};
	struct dg_handle h;
	int num;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_not(dg_marker_read(dg_str(bad[i]), &h, &num), "%s", bad[i]);
}

Test(run_end, all_kinds)
{
	struct dg_run_end end;

	cr_assert(dg_run_end_read(DG_STR("exit 0\n"), &end));
	cr_assert_eq(end.code, 0);
	cr_assert(dg_run_end_read(DG_STR("exit 255\n"), &end));
	cr_assert_eq(end.code, 255);
	cr_assert_not(end.oom);
	cr_assert(dg_run_end_read(DG_STR("exit 1 oom\n"), &end));
	cr_assert_eq(end.code, 1);
	cr_assert(end.oom);
	cr_assert(dg_run_end_read(DG_STR("signal 9 oom\n"), &end));
	cr_assert(end.oom);
	cr_assert(dg_run_end_read(DG_STR("signal 9\n"), &end));
	cr_assert_not(end.oom);
	cr_assert_eq(end.signal, 9);
	cr_assert_eq(end.code, -1);
	cr_assert(dg_run_end_read(DG_STR("exec 13\n"), &end));
	cr_assert_eq(end.exec_errno, 13);
	cr_assert_not(dg_run_end_read(DG_STR(""), &end));
	cr_assert_not(dg_run_end_read(DG_STR("exit"), &end));
	cr_assert_not(dg_run_end_read(DG_STR("exit 256\n"), &end));
	cr_assert_not(dg_run_end_read(DG_STR("exit -1\n"), &end));
	cr_assert_not(dg_run_end_read(DG_STR("signal 0\n"), &end));
	cr_assert_not(dg_run_end_read(DG_STR("ended 1\n"), &end));
}
