#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/process/cgroup.h"
#include "base/fd.h"
#include "base/mem.h"

static void
expect(const char *cgroup, const char *mounts, const char *controller, const char *want)
{
	auto_free char *got =
		dg_cgroup_folder(dg_str(cgroup), dg_str(mounts), controller);

	if (!want)
		cr_assert_null(got);
	else {
		cr_assert(got, "%s", want);
		cr_assert_str_eq(got, want);
	}
}

#define V2_MOUNT "25 23 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
#define V1_MOUNTS                                                                        \
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"                              \
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"    \
	"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"              \
	"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" \
	"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

Test(cgroup, v2)
{
	expect("0::/system.slice/daglet.service\n", V2_MOUNT, NULL,
		"/sys/fs/cgroup/system.slice/daglet.service");
	expect("0::/\n", V2_MOUNT, NULL, "/sys/fs/cgroup");
	expect("0::/x\n", V2_MOUNT, "memory", NULL);
}

Test(cgroup, v1_and_hybrid)
{
	const char *own = "9:name=systemd:/a\n4:memory:/b/c\n2:cpu,cpuacct:/d\n0::/e\n";

	expect(own, V1_MOUNTS, "memory", "/sys/fs/cgroup/memory/b/c");
	expect(own, V1_MOUNTS, "cpuacct", "/sys/fs/cgroup/cpu,cpuacct/d");
	expect(own, V1_MOUNTS, "name=systemd", "/sys/fs/cgroup/systemd/a");
	expect(own, V1_MOUNTS, NULL, "/sys/fs/cgroup/unified/e");
	expect(own, V1_MOUNTS, "pids", NULL);
}

Test(cgroup, in_a_container_the_mount_shows_a_part)
{
	const char *mount = "40 31 0:37 /docker/abc /sys/fs/cgroup/memory ro - cgroup "
			    "cgroup rw,memory\n";

	expect("4:memory:/docker/abc\n", mount, "memory", "/sys/fs/cgroup/memory");
	expect("4:memory:/docker/abc/in\n", mount, "memory", "/sys/fs/cgroup/memory/in");
	expect("4:memory:/docker/abcdef\n", mount, "memory", NULL);
	expect("4:memory:/elsewhere\n", mount, "memory", NULL);
}

Test(cgroup, none_and_nonsense)
{
	expect("", V2_MOUNT, NULL, NULL);
	expect("0::/x\n", "", NULL, NULL);
	expect("0::/x\n", "nonsense\n - \n", NULL, NULL);
	expect("nonsense\n:\n", V2_MOUNT, NULL, NULL);
}

Test(cgroup, counters_of_both_kinds)
{
	char dir[] = "/tmp/daglet-test-XXXXXX";
	auto_free char *v1 = NULL, *v2 = NULL;

	cr_assert(mkdtemp(dir));
	cr_assert_eq(dg_cgroup_oom_kills(dir), -1);
	cr_assert_eq(dg_cgroup_oom_kills(NULL), -1);
	v1 = dg_xasprintf("%s/memory.oom_control", dir);
	v2 = dg_xasprintf("%s/memory.events", dir);
	dg_replace_file(AT_FDCWD, v1, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 43,
		0600, NULL);
	cr_assert_eq(dg_cgroup_oom_kills(dir), 2);
	dg_replace_file(AT_FDCWD, v2, "low 0\noom 7\noom_kill 3\n", 23, 0600, NULL);
	cr_assert_eq(dg_cgroup_oom_kills(dir), 3);
	unlink(v1);
	unlink(v2);
	rmdir(dir);
}
