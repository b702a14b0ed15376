/* Utilisation from files as the kernel writes them. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/time.h"
#include "reporter/metrics.h"

static char folder[] = "/tmp/daglet-metrics.XXXXXX";
static struct dg_settings *s;

static const char *const files[] = {"DAGSTER_CPU_STAT_PATH", "DAGSTER_CPU_MAX_PATH",
	"DAGSTER_MEMORY_USAGE_PATH_V2", "DAGSTER_MEMORY_STAT_PATH_V2",
	"DAGSTER_MEMORY_LIMIT_PATH_V2", "DAGSTER_CPU_USAGE_PATH",
	"DAGSTER_CPU_CFS_QUOTA_US_PATH", "DAGSTER_CPU_CFS_PERIOD_US_PATH",
	"DAGSTER_MEMORY_USAGE_PATH_V1", "DAGSTER_MEMORY_STAT_PATH_V1",
	"DAGSTER_MEMORY_LIMIT_PATH_V1", "DAGSTER_CPU_INFO_PATH"};

static void
put(const char *name, const char *text)
{
	auto_free char *path = dg_xasprintf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(dg_write_all(fd, text, strlen(text), NULL), 0);
	close(fd);
}

static void
set_up(void)
{
	cr_assert(mkdtemp(folder));
	s = dg_settings_new();
	for (size_t i = 0; i < DG_N(files); i++) {
		auto_free char *key = dg_xasprintf("env.%s", files[i]);
		auto_free char *path = dg_xasprintf("%s/%s", folder, files[i]);

		dg_settings_set(s, ~0u, key, path);
	}
	put("DAGSTER_CPU_INFO_PATH", "processor\t: 0\nx\nprocessor\t: 1\n");
}

static void
tear_down(void)
{
	for (size_t i = 0; i < DG_N(files); i++) {
		auto_free char *path = dg_xasprintf("%s/%s", folder, files[i]);

		unlink(path);
	}
	rmdir(folder);
	dg_settings_free(s);
}

TestSuite(metrics, .init = set_up, .fini = tear_down);

static void
expect(struct dg_metrics *m, int64_t wall, const char *want)
{
	struct dg_metrics_load load = {40, 1, 2};
	auto_buf b = DG_BUF_INIT;

	dg_metrics_measure(m, &load, wall, &b);
	cr_assert_str_eq(b.p, want, "%s", b.p);
}

#define LOAD                                                                             \
	"\"request_utilization\": {\"max_concurrent_requests\": 40, "                    \
	"\"num_queued_requests\": 2, \"num_running_requests\": 1}, "

Test(metrics, version_2)
{
	struct dg_metrics m;

	put("DAGSTER_CPU_STAT_PATH", "user_usec 1\nusage_usec 12500000\n");
	put("DAGSTER_CPU_MAX_PATH", "200000 100000\n");
	put("DAGSTER_MEMORY_USAGE_PATH_V2", "1000\n");
	put("DAGSTER_MEMORY_STAT_PATH_V2", "active_file 7\ninactive_file 300\n");
	put("DAGSTER_MEMORY_LIMIT_PATH_V2", "2147483648\n");
	dg_settings_set(s, ~0u, "env.DAGSTER_CLOUD_AGENT_CPU_REQUEST", "1");
	dg_settings_set(s, ~0u, "env.DAGSTER_CLOUD_AGENT_MEMORY_REQUEST", "2");
	dg_metrics_init(&m, s, "K8sUserCodeLauncher");
	m.version = 2;
	expect(&m, 1700000000000000,
		"{\"container_utilization\": {\"cgroup_version\": \"V2\", "
		"\"cpu_cfs_period_us\": 100000.0, \"cpu_cfs_quota_us\": 200000.0, "
		"\"cpu_usage\": 12.5, \"measurement_timestamp\": 1700000000.0, "
		"\"memory_limit\": 2147483648, \"memory_usage\": 700, "
		"\"num_allocated_cores\": 2, \"previous_cpu_usage\": null, "
		"\"previous_measurement_timestamp\": null}, " LOAD
		"\"resource_limits\": {\"k8s\": {\"cpu_limit\": 2000.0, "
		"\"cpu_request\": \"1\", \"memory_limit\": 2147483648, "
		"\"memory_request\": \"2\"}}}");
	put("DAGSTER_CPU_MAX_PATH", "max 100000\n");
	put("DAGSTER_CPU_STAT_PATH", "usage_usec 13000000\n");
	put("DAGSTER_MEMORY_LIMIT_PATH_V2", "max\n");
	put("DAGSTER_MEMORY_STAT_PATH_V2", "inactive_file 3000\n");
	dg_settings_set(s, ~0u, "env.DAGSTER_CLOUD_AGENT_CPU_LIMIT", "500");
	expect(&m, 1700000060500000,
		"{\"container_utilization\": {\"cgroup_version\": \"V2\", "
		"\"cpu_cfs_period_us\": 100000.0, \"cpu_cfs_quota_us\": null, "
		"\"cpu_usage\": 13.0, \"measurement_timestamp\": 1700000060.5, "
		"\"memory_limit\": null, \"memory_usage\": 0, "
		"\"num_allocated_cores\": 2, \"previous_cpu_usage\": 12.5, "
		"\"previous_measurement_timestamp\": 1700000000.0}, " LOAD
		"\"resource_limits\": {\"k8s\": {\"cpu_limit\": \"500\", "
		"\"cpu_request\": \"1\", \"memory_limit\": null, "
		"\"memory_request\": \"2\"}}}");
}

Test(metrics, version_1)
{
	struct dg_metrics m;

	put("DAGSTER_CPU_USAGE_PATH", "1500000000\n");
	put("DAGSTER_CPU_CFS_QUOTA_US_PATH", "-1\n");
	put("DAGSTER_CPU_CFS_PERIOD_US_PATH", "100000\n");
	put("DAGSTER_MEMORY_USAGE_PATH_V1", "1000\n");
	put("DAGSTER_MEMORY_STAT_PATH_V1", "inactive_file 9\ntotal_inactive_file 400\n");
	put("DAGSTER_MEMORY_LIMIT_PATH_V1", "9223372036854771712\n");
	dg_metrics_init(&m, s, "ProcessUserCodeLauncher");
	m.version = 1;
	expect(&m, 1700000000000000,
		"{\"container_utilization\": {\"cgroup_version\": \"V1\", "
		"\"cpu_cfs_period_us\": 100000.0, \"cpu_cfs_quota_us\": -1.0, "
		"\"cpu_usage\": 1.5, \"measurement_timestamp\": 1700000000.0, "
		"\"memory_limit\": 9223372036854771712, \"memory_usage\": 600, "
		"\"num_allocated_cores\": 2, \"previous_cpu_usage\": null, "
		"\"previous_measurement_timestamp\": null}, " LOAD
		"\"resource_limits\": {}}");
}

Test(metrics, nothing_can_be_read)
{
	struct dg_metrics m;

	dg_settings_set(s, ~0u, "env.DAGSTER_CPU_INFO_PATH", "/nonexistent/cpuinfo");
	for (int version = 0; version < 3; version++) {
		auto_free char *want = dg_xasprintf(
			"{\"container_utilization\": {\"cgroup_version\": %s, "
			"\"cpu_cfs_period_us\": null, \"cpu_cfs_quota_us\": null, "
			"\"cpu_usage\": null, \"measurement_timestamp\": 1700000000.0, "
			"\"memory_limit\": null, \"memory_usage\": null, "
			"\"num_allocated_cores\": null, \"previous_cpu_usage\": null, "
			"\"previous_measurement_timestamp\": null}, " LOAD
			"\"resource_limits\": {}}",
			version == 0   ? "null"
			: version == 1 ? "\"V1\""
				       : "\"V2\"");

		dg_metrics_init(&m, s, NULL);
		m.version = version;
		expect(&m, 1700000000000000, want);
	}
}

Test(metrics, this_machine)
{
	struct dg_settings *none = dg_settings_new();
	struct dg_metrics_load load = {1, 0, 0};
	struct dg_metrics m;
	auto_buf b = DG_BUF_INIT;

	dg_metrics_init(&m, none, "DockerUserCodeLauncher");
	dg_metrics_measure(&m, &load, dg_wall_usec(), &b);
	cr_assert(m.version >= 0 && m.version <= 2);
	cr_assert(strstr(b.p, "\"num_allocated_cores\": "));
	dg_settings_free(none);
}
