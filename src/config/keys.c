/* config/keys.c: looking rows up, and which classes are which backend. */
#include "config/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const struct dg_key *
dg_key_next(const struct dg_schema *s, const struct dg_key *after)
{
	bool now = after == NULL;

	for (size_t t = 0; t < DG_KEY_TABLES_MAX && s->tables[t]; t++) {
		const struct dg_key_table *table = s->tables[t];

		if (now && table->n)
			return &table->rows[0];
		if (!now && after >= table->rows && after < table->rows + table->n) {
			if (after + 1 < table->rows + table->n)
				return after + 1;
			now = true;
		}
	}
	return NULL;
}

const struct dg_key *
dg_key_find(const struct dg_schema *s, const char *path)
{
	const struct dg_key *row = NULL;

	while ((row = dg_key_next(s, row)))
		if (strcmp(row->path, path) == 0)
			return row;
	return NULL;
}

const char *
dg_key_in(const struct dg_key *row, const char *parent)
{
	size_t n = strlen(parent);
	const char *name = row->path;

	if (n) {
		if (strncmp(name, parent, n) != 0 || name[n] != '.')
			return NULL;
		name += n + 1;
	}
	return strpbrk(name, ".[*") ? NULL : name;
}

bool
dg_key_allows_str(const struct dg_key *row, struct dg_str v)
{
	const char *choice = row->range;

	while (choice && *choice) {
		size_t n = strcspn(choice, "|");

		if (v.n == n && memcmp(v.p, choice, n) == 0)
			return true;
		choice += n + (choice[n] == '|');
	}
	return row->range == NULL;
}

bool
dg_key_allows_int(const struct dg_key *row, int64_t v)
{
	const char *dots = row->range ? strstr(row->range, "..") : NULL;

	return !dots ||
	       (v >= strtoll(row->range, NULL, 10) && v <= strtoll(dots + 2, NULL, 10));
}

/* clang-format off */
static const struct dg_launcher_class classes[] = {
	/* module                                              class                      backend       its keys             served */
	{"dagster_cloud.workspace.user_code_launcher",         "ProcessUserCodeLauncher", "process",    &dg_keys_process,    true},
	{"dagster_cloud.workspace.user_code_launcher.process", "ProcessUserCodeLauncher", "process",    &dg_keys_process,    true},
	{"dagster_cloud.workspace.docker",                     "DockerUserCodeLauncher",  "docker",     &dg_keys_docker,     false},
	{"dagster_cloud.workspace.ecs",                        "EcsUserCodeLauncher",     "ecs",        &dg_keys_ecs,        false},
	{"dagster_cloud.workspace.ecs.launcher",               "EcsUserCodeLauncher",     "ecs",        &dg_keys_ecs,        false},
	{"dagster_cloud.workspace.kubernetes",                 "K8sUserCodeLauncher",     "kubernetes", &dg_keys_kubernetes, false},
	{"dagster_cloud.workspace.kubernetes.launcher",        "K8sUserCodeLauncher",     "kubernetes", &dg_keys_kubernetes, false},
	{"dagster_cloud.workspace.aca",                        "AcaUserCodeLauncher",     "aca",        NULL,                false},
};
/* clang-format on */

const struct dg_launcher_class *
dg_launcher_class(const char *module, const char *cls)
{
	for (size_t i = 0; i < DG_N(classes); i++)
		if (strcmp(module, classes[i].module) == 0 &&
			strcmp(cls, classes[i].cls) == 0)
			return &classes[i];
	return NULL;
}

const struct dg_launcher_class *
dg_launcher_class_at(size_t i)
{
	return i < DG_N(classes) ? &classes[i] : NULL;
}
