/* reporter/metrics.c: see metrics.h. The files belong to the kernel: reading them does
 * not wait. */
#include "reporter/metrics.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/time.h"
#include "json/write.h"

#define FILE_MAX_BYTES ((size_t)4 << 20)

static const char *
path_of(const struct dg_metrics *m, const char *name, const char *usual)
{
	auto_free char *key = dg_xasprintf("env.%s", name);
	const char *given = dg_settings_str(m->settings, key);

	return given && *given ? given : usual;
}

static bool
read_text(const struct dg_metrics *m, const char *name, const char *usual,
	struct dg_buf *out)
{
	dg_buf_reset(out);
	return dg_read_file(
		       AT_FDCWD, path_of(m, name, usual), FILE_MAX_BYTES, out, NULL) == 0;
}

/* A number that fills the word at P (up to space or end); NAN otherwise. */
static double
number(const char *p)
{
	char *end;
	double v;

	if (!p)
		return NAN;
	while (*p == ' ')
		p++;
	v = strtod(p, &end);
	return end == p || (*end && !strchr(" \t\r\n", *end)) ? NAN : v;
}

static double
read_number(const struct dg_metrics *m, const char *name, const char *usual)
{
	auto_buf b = DG_BUF_INIT;

	return read_text(m, name, usual, &b) ? number(b.p) : NAN;
}

/* The number behind "KEY " at the start of a line. */
static double
field(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p;) {
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return number(p + n);
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return NAN;
}

static double
read_field(
	const struct dg_metrics *m, const char *name, const char *usual, const char *key)
{
	auto_buf b = DG_BUF_INIT;

	return read_text(m, name, usual, &b) ? field(b.p, key) : NAN;
}

static int
cgroup_version(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup/", &fs) < 0)
		return 0;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : fs.f_type == TMPFS_MAGIC ? 1 : 0;
}

static double
cpu_seconds(const struct dg_metrics *m)
{
	if (m->version == 2)
		return read_field(m, "DAGSTER_CPU_STAT_PATH", "/sys/fs/cgroup/cpu.stat",
			       "usage_usec") /
		       1e6;
	return m->version == 1 ? read_number(m, "DAGSTER_CPU_USAGE_PATH",
					 "/sys/fs/cgroup/cpuacct/cpuacct.usage") /
					 1e9
			       : NAN;
}

static void
cpu_quota(const struct dg_metrics *m, double *quota, double *period)
{
	auto_buf b = DG_BUF_INIT;

	*quota = *period = NAN;
	if (m->version == 1) {
		*quota = read_number(m, "DAGSTER_CPU_CFS_QUOTA_US_PATH",
			"/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
		*period = read_number(m, "DAGSTER_CPU_CFS_PERIOD_US_PATH",
			"/sys/fs/cgroup/cpu/cpu.cfs_period_us");
	} else if (m->version == 2 &&
		   read_text(m, "DAGSTER_CPU_MAX_PATH", "/sys/fs/cgroup/cpu.max", &b)) {
		*quota = number(b.p);
		*period = number(b.n ? strchr(b.p, ' ') : NULL);
	}
}

static double
memory_used(const struct dg_metrics *m)
{
	double used, cache;

	if (m->version == 2) {
		used = read_number(m, "DAGSTER_MEMORY_USAGE_PATH_V2",
			"/sys/fs/cgroup/memory.current");
		cache = read_field(m, "DAGSTER_MEMORY_STAT_PATH_V2",
			"/sys/fs/cgroup/memory.stat", "inactive_file");
	} else if (m->version == 1) {
		used = read_number(m, "DAGSTER_MEMORY_USAGE_PATH_V1",
			"/sys/fs/cgroup/memory/memory.usage_in_bytes");
		cache = read_field(m, "DAGSTER_MEMORY_STAT_PATH_V1",
			"/sys/fs/cgroup/memory/memory.stat", "total_inactive_file");
	} else {
		return NAN;
	}
	return used - cache < 0 ? 0 : used - cache;
}

static double
memory_limit(const struct dg_metrics *m)
{
	if (m->version == 2)
		return read_number(
			m, "DAGSTER_MEMORY_LIMIT_PATH_V2", "/sys/fs/cgroup/memory.max");
	return m->version == 1 ? read_number(m, "DAGSTER_MEMORY_LIMIT_PATH_V1",
					 "/sys/fs/cgroup/memory/memory.limit_in_bytes")
			       : NAN;
}

static int64_t
cores(const struct dg_metrics *m)
{
	auto_buf b = DG_BUF_INIT;
	int64_t n = 0;

	if (!read_text(m, "DAGSTER_CPU_INFO_PATH", "/proc/cpuinfo", &b))
		return -1;
	for (const char *p = b.n ? b.p : NULL; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		n += strncmp(p, "processor", 9) == 0;
	}
	return n;
}

static void
add_float(struct dg_jw *w, const char *key, double v)
{
	if (isfinite(v))
		dg_jw_kdouble(w, key, v);
	else
		dg_jw_knull(w, key);
}

static void
add_int(struct dg_jw *w, const char *key, double v)
{
	if (isfinite(v) && v < 9.3e18)
		dg_jw_kint(w, key, v >= 9223372036854775807.0 ? INT64_MAX : (int64_t)v);
	else
		dg_jw_knull(w, key);
}

static void
add_limit(struct dg_jw *w, const char *key, double v, bool whole, const char *fallback)
{
	if (isfinite(v) && v != 0) {
		if (whole)
			add_int(w, key, v);
		else
			add_float(w, key, v);
	} else {
		dg_jw_kstr(w, key, fallback);
	}
}

static void
add_limits(const struct dg_metrics *m, struct dg_jw *w, double quota, double period,
	double limit)
{
	const struct dg_settings *s = m->settings;
	const char *cpu = dg_settings_str(s, "env.DAGSTER_CLOUD_AGENT_CPU_REQUEST");
	const char *memory = dg_settings_str(s, "env.DAGSTER_CLOUD_AGENT_MEMORY_REQUEST");

	dg_jw_key(w, "resource_limits");
	dg_jw_open_object(w);
	if (m->type) {
		dg_jw_key(w, m->type);
		dg_jw_open_object(w);
		add_limit(w, "cpu_limit", 1000.0 * quota / period, false,
			dg_settings_str(s, "env.DAGSTER_CLOUD_AGENT_CPU_LIMIT"));
		if (cpu && *cpu)
			dg_jw_kstr(w, "cpu_request", cpu);
		add_limit(w, "memory_limit", limit, true,
			dg_settings_str(s, "env.DAGSTER_CLOUD_AGENT_MEMORY_LIMIT"));
		if (memory && *memory)
			dg_jw_kstr(w, "memory_request", memory);
		dg_jw_close_object(w);
	}
	dg_jw_close_object(w);
}

void
dg_metrics_init(
	struct dg_metrics *m, const struct dg_settings *settings, const char *agent_type)
{
	static const struct {
		const char *agent, *type;
	} types[] = {{"K8sUserCodeLauncher", "k8s"}, {"EcsUserCodeLauncher", "ecs"},
		{"AcaUserCodeLauncher", "aca"}};

	*m = (struct dg_metrics){
		.settings = settings, .version = -1, .cpu = NAN, .previous_cpu = NAN};
	for (size_t i = 0; i < DG_N(types); i++)
		if (agent_type && strcmp(types[i].agent, agent_type) == 0)
			m->type = types[i].type;
}

void
dg_metrics_measure(struct dg_metrics *m, const struct dg_metrics_load *load, int64_t wall,
	struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);
	double quota, period, limit;
	int64_t n = cores(m);
	char stamp[32];

	if (m->version < 0)
		m->version = cgroup_version();
	m->previous = m->at;
	m->previous_cpu = m->cpu;
	m->at = wall;
	m->cpu = cpu_seconds(m);
	cpu_quota(m, &quota, &period);
	limit = memory_limit(m);
	dg_jw_open_object(&w);
	dg_jw_key(&w, "container_utilization");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "cgroup_version",
		m->version == 2   ? "V2"
		: m->version == 1 ? "V1"
				  : NULL);
	add_float(&w, "cpu_cfs_period_us", period);
	add_float(&w, "cpu_cfs_quota_us", quota);
	add_float(&w, "cpu_usage", m->cpu);
	dg_jw_kraw(&w, "measurement_timestamp", dg_str(dg_wall_json(wall, stamp)));
	add_int(&w, "memory_limit", limit);
	add_int(&w, "memory_usage", memory_used(m));
	add_int(&w, "num_allocated_cores", n < 0 ? NAN : (double)n);
	add_float(&w, "previous_cpu_usage", m->previous_cpu);
	if (m->previous)
		dg_jw_kraw(&w, "previous_measurement_timestamp",
			dg_str(dg_wall_json(m->previous, stamp)));
	else
		dg_jw_knull(&w, "previous_measurement_timestamp");
	dg_jw_close_object(&w);
	dg_jw_key(&w, "request_utilization");
	dg_jw_open_object(&w);
	dg_jw_kint(&w, "max_concurrent_requests", load->max);
	dg_jw_kint(&w, "num_queued_requests", load->queued);
	dg_jw_kint(&w, "num_running_requests", load->running);
	dg_jw_close_object(&w);
	add_limits(m, &w, quota, period, limit);
	dg_jw_close_object(&w);
}
