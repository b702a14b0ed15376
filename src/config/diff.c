/* config/diff.c: what has changed between two configurations, and what that takes. */
#include <string.h>

#include "config/config.h"

/* Settings that follow from rows which no role gets themselves. */
static const struct {
	const char *key;
	enum dg_key_change change;
} derived[] = {
	{"raw.dagster_yaml", DG_CHANGE_RELOAD},
	{"deployments", DG_CHANGE_RELOAD},
	{"url", DG_CHANGE_ROLE},
	{"isolated_agents.enabled", DG_CHANGE_ROLE},
	{"queues", DG_CHANGE_AGENT},
	{"backend", DG_CHANGE_AGENT},
	{"home", DG_CHANGE_AGENT},
};

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool
same(const struct dg_settings *a, const struct dg_settings *b, const char *key)
{
	size_t n = dg_settings_count(a, key);

	if (dg_settings_has(a, key) != dg_settings_has(b, key) ||
		n != dg_settings_count(b, key) ||
		!same_text(dg_settings_str(a, key), dg_settings_str(b, key)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same_text(
			    dg_settings_name(a, key, i), dg_settings_name(b, key, i)) ||
			!same_text(
				dg_settings_item(a, key, i), dg_settings_item(b, key, i)))
			return false;
	return true;
}

/* What a change of the setting KEY takes: its row's word, or that of the nearest row
 * above
 * ("socket_options.0" is part of socket_options). */
static enum dg_key_change
change_of(const char *key)
{
	static const struct dg_schema dagster = {
		{&dg_keys_agent, &dg_keys_launcher, &dg_keys_process}};
	static const struct dg_schema daglet = {{&dg_keys_daglet}};
	bool ours = strncmp(key, "daglet.", 7) == 0;
	char path[512];

	for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++)
		if (strcmp(key, derived[i].key) == 0)
			return derived[i].change;
	if (strlen(key) >= sizeof path)
		return DG_CHANGE_AGENT;
	strcpy(path, ours ? key + 7 : key);
	for (;;) {
		const struct dg_key *row = dg_key_find(ours ? &daglet : &dagster, path);
		char *dot = strrchr(path, '.');

		if (row)
			return row->change;
		if (!dot)
			return DG_CHANGE_NONE;
		*dot = '\0';
	}
}

size_t
dg_config_diff(const struct dg_settings *old, const struct dg_settings *new,
	dg_config_change_fn *fn, void *arg)
{
	const struct dg_settings *sides[] = {old, new};
	const char *key;
	size_t n = 0;

	for (size_t side = 0; side < 2; side++)
		for (size_t i = 0; (key = dg_settings_key(sides[side], i)); i++) {
			enum dg_key_change c;

			if ((side && dg_settings_has(old, key)) || same(old, new, key))
				continue;
			c = change_of(key);
			if (c == DG_CHANGE_NONE)
				continue;
			fn(arg, key, c,
				dg_settings_mask(old, key) | dg_settings_mask(new, key));
			n++;
		}
	return n;
}
