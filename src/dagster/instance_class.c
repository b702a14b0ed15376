/* dagster/instance_class.c: see instance_class.h. */
#include "dagster/instance_class.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The deepest that dg_jw writes, less what stands around a setting. */
#define JSON_DEPTH_MAX (DG_JW_DEPTH_MAX - 4)

bool
dg_yaml_truth(const struct dg_yaml_node *n)
{
	if (!n)
		return false;
	switch (n->kind) {
	case DG_YAML_NULL:
		return false;
	case DG_YAML_BOOL:
		return n->i != 0;
	case DG_YAML_INT:
		return n->big || n->i != 0;
	case DG_YAML_FLOAT:
		return n->f != 0;
	case DG_YAML_STR:
	case DG_YAML_BINARY:
		return n->text.n != 0;
	case DG_YAML_TIME:
		return true;
	default:
		return n->n != 0;
	}
}

static int
by_key(const void *a, const void *b)
{
	const struct dg_yaml_pair *x = *(const struct dg_yaml_pair *const *)a;
	const struct dg_yaml_pair *y = *(const struct dg_yaml_pair *const *)b;

	return dg_str_cmp(x->key->text, y->key->text);
}

static int
map_to_json(
	const struct dg_yaml_node *n, struct dg_jw *w, unsigned depth, struct dg_err *e)
{
	auto_free const struct dg_yaml_pair **order = dg_xcalloc(n->n + 1, sizeof *order);

	for (size_t i = 0; i < n->n; i++) {
		if (n->pairs[i].key->kind != DG_YAML_STR)
			return dg_fail(e, DG_CONFIG, 0, "a key is %s instead of a string",
				dg_yaml_kind_name(n->pairs[i].key->kind));
		order[i] = &n->pairs[i];
	}
	qsort(order, n->n, sizeof *order, by_key);
	dg_jw_open_object(w);
	for (size_t i = 0; i < n->n; i++) {
		auto_free char *key = dg_str_dup(order[i]->key->text);
		int r;

		dg_jw_key(w, key);
		r = dg_yaml_to_json(order[i]->value, w, depth + 1, e);
		if (r < 0)
			return r;
	}
	dg_jw_close_object(w);
	return 0;
}

int
dg_yaml_to_json(
	const struct dg_yaml_node *n, struct dg_jw *w, unsigned depth, struct dg_err *e)
{
	int r = 0;

	if (depth > JSON_DEPTH_MAX)
		return dg_fail(e, DG_CONFIG, 0, "more than %u levels", JSON_DEPTH_MAX);
	switch (n->kind) {
	case DG_YAML_NULL:
		dg_jw_null(w);
		return 0;
	case DG_YAML_BOOL:
		dg_jw_bool(w, n->i != 0);
		return 0;
	case DG_YAML_INT:
		dg_jw_raw(w, n->text);
		return 0;
	case DG_YAML_FLOAT:
		dg_jw_double(w, n->f);
		return 0;
	case DG_YAML_STR:
		dg_jw_strn(w, n->text);
		return 0;
	case DG_YAML_SEQ:
		dg_jw_open_array(w);
		for (size_t i = 0; i < n->n && r == 0; i++)
			r = dg_yaml_to_json(n->items[i], w, depth + 1, e);
		if (r == 0)
			dg_jw_close_array(w);
		return r;
	case DG_YAML_MAP:
		return map_to_json(n, w, depth, e);
	default:
		return dg_fail(e, DG_CONFIG, 0, "%s cannot be passed on",
			dg_yaml_kind_name(n->kind));
	}
}

/* "dagster.core.x" is "dagster._core.x" inside, and the other way round on the wire. */
static char *
private_name(const char *module)
{
	if (strncmp(module, "dagster.", 8) == 0 && module[8] && module[8] != '_')
		return dg_xasprintf("dagster._%s", module + 8);
	return dg_xstrdup(module);
}

static char *
public_name(const char *module)
{
	if (strncmp(module, "dagster", 7) == 0 && module[7] && module[8] == '_')
		return dg_xasprintf("dagster.%s", module + 9);
	return dg_xstrdup(module);
}

void
dg_instance_class_clear(struct dg_instance_class *c)
{
	free(c->module);
	free(c->name);
	free(c->config);
	*c = (struct dg_instance_class){0};
}

int
dg_instance_class_set(struct dg_instance_class *c, const char *module, const char *name,
	struct dg_yaml_node *config, struct dg_err *e)
{
	struct dg_buf yaml = DG_BUF_INIT;
	int r = 0;

	if (config)
		r = dg_yaml_dump(config, &yaml, e);
	else
		dg_buf_adds(&yaml, "{}\n");
	if (r < 0) {
		dg_buf_clear(&yaml);
		return r;
	}
	dg_instance_class_clear(c);
	c->present = true;
	c->module = private_name(module);
	c->name = dg_xstrdup(name);
	c->config = dg_buf_take(&yaml);
	return 0;
}

void
dg_instance_class_json(struct dg_jw *w, const struct dg_instance_class *c)
{
	auto_free char *module = NULL;

	if (!c->present) {
		dg_jw_null(w);
		return;
	}
	module = public_name(c->module);
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__class__", "ConfigurableClassData");
	dg_jw_kstr(w, "class_name", c->name);
	dg_jw_kstr(w, "config_yaml", c->config);
	dg_jw_kstr(w, "module_name", module);
	dg_jw_close_object(w);
}

void
dg_instance_class_add(struct dg_jw *w, const char *key, const struct dg_instance_class *c)
{
	dg_jw_key(w, key);
	dg_instance_class_json(w, c);
}

/* A class with a configuration of strings only: name, value, ..., NULL. */
static void
set_strings(struct dg_instance_class *c, const char *module, const char *name, ...)
{
	struct dg_yaml *y = dg_yaml_new();
	struct dg_yaml_node *map = dg_yaml_map(y);
	const char *key;
	va_list ap;

	va_start(ap, name);
	while ((key = va_arg(ap, const char *)))
		dg_yaml_set(
			y, map, key, dg_yaml_str(y, dg_str(va_arg(ap, const char *))));
	va_end(ap);
	DG_ASSERT(dg_instance_class_set(c, module, name, map, NULL) == 0);
	dg_yaml_free(y);
}

/* {module: M, class: C, config: {...}} */
static int
set_node(struct dg_instance_class *c, const struct dg_yaml_node *n, struct dg_err *e)
{
	const struct dg_yaml_node *m = dg_yaml_get(n, "module");
	const struct dg_yaml_node *k = dg_yaml_get(n, "class");
	struct dg_yaml_node *config = dg_yaml_get(n, "config");
	auto_free char *module = NULL;
	auto_free char *name = NULL;

	if (!m || m->kind != DG_YAML_STR || !k || k->kind != DG_YAML_STR)
		return dg_fail(e, DG_CONFIG, 0, "module and class must be strings");
	module = dg_str_dup(m->text);
	name = dg_str_dup(k->text);
	return dg_instance_class_set(c, module, name,
		config && config->kind == DG_YAML_NULL ? NULL : config, e);
}

/* ROOT.KEY where it says something; else C stays the default that it is. */
static int
override(struct dg_instance_class *c, const struct dg_yaml_node *root, const char *key,
	struct dg_err *e)
{
	const struct dg_yaml_node *n = dg_yaml_get(root, key);

	if (!dg_yaml_truth(n))
		return 0;
	return set_node(c, n, e) < 0 ? dg_err_wrap(e, "%s", key) : 0;
}

/* One storage made of three. */
static void
set_composite(struct dg_instance_classes *all)
{
	struct dg_yaml *y = dg_yaml_new();
	struct dg_yaml_node *map = dg_yaml_map(y);
	const struct {
		const char *key;
		const struct dg_instance_class *c;
	} parts[] = {
		{"run_storage", &all->run_storage},
		{"event_log_storage", &all->event_storage},
		{"schedule_storage", &all->schedule_storage},
	};

	for (size_t i = 0; i < DG_N(parts); i++) {
		struct dg_yaml_node *part = dg_yaml_map(y);

		dg_yaml_set(y, part, "module_name",
			dg_yaml_str(y, dg_str(parts[i].c->module)));
		dg_yaml_set(
			y, part, "class_name", dg_yaml_str(y, dg_str(parts[i].c->name)));
		dg_yaml_set(y, part, "config_yaml",
			dg_yaml_str(y, dg_str(parts[i].c->config)));
		dg_yaml_set(y, map, parts[i].key, part);
	}
	DG_ASSERT(dg_instance_class_set(&all->storage,
			  "dagster._core.storage.legacy_storage", "CompositeStorage", map,
			  NULL) == 0);
	dg_yaml_free(y);
}

static int
set_database(struct dg_instance_classes *all, struct dg_yaml_node *config,
	const char *module, const char *const names[4], struct dg_err *e)
{
	struct dg_instance_class *const to[] = {&all->storage, &all->run_storage,
		&all->event_storage, &all->schedule_storage};
	int r = 0;

	for (size_t i = 0; i < DG_N(to) && r == 0; i++)
		r = dg_instance_class_set(to[i], module, names[i], config, e);
	return r;
}

static int
set_sqlite(
	struct dg_instance_classes *all, const struct dg_yaml_node *n, struct dg_err *e)
{
	static const char empty[] = "";
	struct dg_yaml_node *dir = dg_yaml_get(n, "base_dir");
	struct dg_yaml *y;
	struct dg_yaml_node *map;
	auto_free char *base = NULL;
	auto_free char *runs = NULL;
	auto_free char *events = NULL;
	auto_free char *schedules = NULL;
	const char *slash;
	int r;

	if (!dir)
		return dg_fail(e, DG_CONFIG, 0, "sqlite has no base_dir");
	y = dg_yaml_new();
	map = dg_yaml_map(y);
	dg_yaml_set(y, map, "base_dir", dg_yaml_copy(y, dir));
	r = dg_instance_class_set(&all->storage, "dagster._core.storage.sqlite_storage",
		"DagsterSqliteStorage", map, e);
	dg_yaml_free(y);
	if (r < 0)
		return r;
	if (dir->kind != DG_YAML_STR) { /* {env: X}: the three old ones cannot say it */
		dg_instance_class_clear(&all->run_storage);
		dg_instance_class_clear(&all->event_storage);
		dg_instance_class_clear(&all->schedule_storage);
		return 0;
	}
	base = dg_str_dup(dir->text);
	slash = !*base || base[strlen(base) - 1] == '/' ? empty : "/";
	runs = dg_xasprintf("%s%shistory/", base, slash);
	events = dg_xasprintf("%s%shistory/runs/", base, slash);
	schedules = dg_xasprintf("%s%sschedules", base, slash);
	set_strings(&all->run_storage, "dagster._core.storage.runs", "SqliteRunStorage",
		"base_dir", runs, NULL);
	set_strings(&all->event_storage, "dagster._core.storage.event_log",
		"SqliteEventLogStorage", "base_dir", events, NULL);
	set_strings(&all->schedule_storage, "dagster._core.storage.schedules",
		"SqliteScheduleStorage", "base_dir", schedules, NULL);
	return 0;
}

static int
set_custom_storage(
	struct dg_instance_classes *all, const struct dg_yaml_node *n, struct dg_err *e)
{
	struct dg_instance_class *const to[] = {
		&all->run_storage, &all->event_storage, &all->schedule_storage};
	static const char *const names[] = {
		"LegacyRunStorage", "LegacyEventLogStorage", "LegacyScheduleStorage"};
	int r = set_node(&all->storage, n, e);

	for (size_t i = 0; i < DG_N(to) && r == 0; i++)
		set_strings(to[i], "dagster._core.storage.legacy_storage", names[i],
			"module_name", all->storage.module, "class_name",
			all->storage.name, "config_yaml", all->storage.config, NULL);
	return r;
}

static int
set_storage(struct dg_instance_classes *all, const struct dg_yaml_node *root,
	struct dg_err *e)
{
	static const char *const postgres[] = {"DagsterPostgresStorage",
		"PostgresRunStorage", "PostgresEventLogStorage",
		"PostgresScheduleStorage"};
	static const char *const mysql[] = {"DagsterMySQLStorage", "MySQLRunStorage",
		"MySQLEventLogStorage", "MySQLScheduleStorage"};
	const struct dg_yaml_node *n = dg_yaml_get(root, "storage");
	struct dg_yaml_node *v;
	int r;

	if (!dg_yaml_truth(n) || dg_yaml_truth(dg_yaml_get(root, "run_storage")) ||
		dg_yaml_truth(dg_yaml_get(root, "event_log_storage")) ||
		dg_yaml_truth(dg_yaml_get(root, "schedule_storage"))) {
		if ((r = override(&all->run_storage, root, "run_storage", e)) < 0 ||
			(r = override(&all->event_storage, root, "event_log_storage",
				 e)) < 0 ||
			(r = override(&all->schedule_storage, root, "schedule_storage",
				 e)) < 0)
			return r;
		set_composite(all);
		return 0;
	}
	if ((v = dg_yaml_get(n, "postgres")))
		r = set_database(all, v, "dagster_postgres", postgres, e);
	else if ((v = dg_yaml_get(n, "mysql")))
		r = set_database(all, v, "dagster_mysql", mysql, e);
	else if ((v = dg_yaml_get(n, "sqlite")))
		r = set_sqlite(all, v, e);
	else if ((v = dg_yaml_get(n, "custom")))
		r = set_custom_storage(all, v, e);
	else
		r = dg_fail(e, DG_CONFIG, 0,
			"none of postgres, mysql, sqlite and custom is given");
	return r < 0 ? dg_err_wrap(e, "storage") : 0;
}

static void
set_defaults(struct dg_instance_classes *all, const char *home)
{
	static const struct {
		size_t at;
		const char *module, *name;
	} rows[] = {
#define ROW(member, module, name)                                                        \
	{offsetof(struct dg_instance_classes, member), module, name}
		ROW(compute_logs, "dagster_cloud.storage.compute_logs",
			"CloudComputeLogManager"),
		ROW(defs_state_storage, "dagster_cloud.storage.defs_state",
			"GraphQLDefsStateStorage"),
		ROW(event_storage, "dagster_cloud.storage.event_logs",
			"GraphQLEventLogStorage"),
		ROW(run_coordinator, "dagster._core.run_coordinator",
			"QueuedRunCoordinator"),
		ROW(run_launcher, "dagster", "DefaultRunLauncher"),
		ROW(run_storage, "dagster_cloud.storage.runs", "GraphQLRunStorage"),
		ROW(schedule_storage, "dagster_cloud.storage.schedules",
			"GraphQLScheduleStorage"),
		ROW(scheduler, "dagster._core.scheduler", "DagsterDaemonScheduler"),
		ROW(secrets_loader, "dagster_cloud.secrets", "DagsterCloudSecretsLoader"),
#undef ROW
	};

	*all = (struct dg_instance_classes){0};
	for (size_t i = 0; i < DG_N(rows); i++)
		DG_ASSERT(dg_instance_class_set(
				  (struct dg_instance_class *)((char *)all + rows[i].at),
				  rows[i].module, rows[i].name, NULL, NULL) == 0);
	set_strings(&all->local_artifact_storage, "dagster._core.storage.root",
		"LocalArtifactStorage", "base_dir", home, NULL);
}

static int
read_all(struct dg_instance_classes *all, const struct dg_yaml_node *root,
	struct dg_err *e)
{
	struct dg_yaml_node *queue = dg_yaml_get(root, "run_queue");
	const struct dg_yaml_node *secrets = dg_yaml_get(root, "secrets");
	int r;

	if ((r = override(&all->local_artifact_storage, root, "local_artifact_storage",
		     e)) < 0 ||
		(r = override(&all->compute_logs, root, "compute_logs", e)) < 0 ||
		(r = set_storage(all, root, e)) < 0 ||
		(r = override(&all->scheduler, root, "scheduler", e)) < 0 ||
		(r = override(&all->run_launcher, root, "run_launcher", e)) < 0 ||
		(r = override(&all->defs_state_storage, root, "defs_state_storage", e)) <
			0)
		return r;
	if (dg_yaml_truth(queue))
		r = dg_instance_class_set(&all->run_coordinator,
			"dagster._core.run_coordinator", "QueuedRunCoordinator", queue,
			e);
	else
		r = override(&all->run_coordinator, root, "run_coordinator", e);
	if (r < 0 || !dg_yaml_truth(secrets))
		return r;
	return override(&all->secrets_loader, secrets, "custom", e);
}

int
dg_instance_classes_read(const struct dg_yaml_node *root, const char *home,
	struct dg_instance_classes *all, struct dg_err *e)
{
	int r;

	set_defaults(all, home);
	r = read_all(all, root, e);
	if (r < 0)
		dg_instance_classes_clear(all);
	return r;
}

void
dg_instance_classes_clear(struct dg_instance_classes *all)
{
	struct dg_instance_class *c = (struct dg_instance_class *)all;

	for (size_t i = 0; i < sizeof *all / sizeof *c; i++)
		dg_instance_class_clear(&c[i]);
}
