/* dagster/metadata.c: see metadata.h. */
#include "dagster/metadata.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"

static const struct {
	const char *key;
	size_t at;
} strings[] = {
	{"image", offsetof(struct dg_metadata, image)},
	{"python_file", offsetof(struct dg_metadata, python_file)},
	{"package_name", offsetof(struct dg_metadata, package_name)},
	{"module_name", offsetof(struct dg_metadata, module_name)},
	{"autoload_defs_module_name",
		offsetof(struct dg_metadata, autoload_defs_module_name)},
	{"working_directory", offsetof(struct dg_metadata, working_directory)},
	{"executable_path", offsetof(struct dg_metadata, executable_path)},
	{"attribute", offsetof(struct dg_metadata, attribute)},
};

static const struct {
	const char *key;
	size_t at;
	const char *none;
} objects[] = {
	{"container_context", offsetof(struct dg_metadata, container_context), "{}"},
	{"cloud_context_env", offsetof(struct dg_metadata, cloud_context_env), "{}"},
	{"pex_metadata", offsetof(struct dg_metadata, pex_metadata), NULL},
	{"defs_state_info", offsetof(struct dg_metadata, defs_state_info), NULL},
};

void
dg_metadata_clear(struct dg_metadata *m)
{
	for (size_t i = 0; i < DG_N(strings); i++)
		free(*(char **)((char *)m + strings[i].at));
	free(m->text);
	*m = (struct dg_metadata){0};
}

static int
read_string(struct dg_str object, const char *key, char **ret, struct dg_err *e)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_str v;

	if (!dg_json_member(object, key, &v) || dg_json_is_null(v))
		return 0;
	if (!dg_json_decode(v, &b))
		return dg_fail(e, DG_USER, 0, "%s is no string", key);
	if (memchr(b.p ? b.p : "", 0, b.n))
		return dg_fail(e, DG_USER, 0, "%s has a NUL character in it", key);
	if (b.n)
		*ret = dg_buf_take(&b);
	return 0;
}

static int
read_all(struct dg_metadata *m, struct dg_err *e)
{
	struct dg_str object = dg_json_trim(dg_str(m->text)), cls, v;
	int r, targets;

	if (dg_json_type(object) != DG_JSON_OBJECT ||
		!dg_json_member(object, "__class__", &cls) ||
		!dg_json_is(cls, "CodeDeploymentMetadata"))
		return dg_fail(e, DG_USER, 0, "it is no CodeDeploymentMetadata");
	for (size_t i = 0; i < DG_N(strings); i++) {
		r = read_string(
			object, strings[i].key, (char **)((char *)m + strings[i].at), e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < DG_N(objects); i++) {
		if (!dg_json_member(object, objects[i].key, &v) || dg_json_is_null(v))
			v = dg_str(objects[i].none);
		else if (dg_json_type(v) != DG_JSON_OBJECT)
			return dg_fail(e, DG_USER, 0, "%s is no object", objects[i].key);
		*(struct dg_str *)((char *)m + objects[i].at) = v;
	}
	targets = !!m->python_file + !!m->package_name + !!m->module_name +
		  !!m->autoload_defs_module_name;
	if (targets != 1)
		return dg_fail(e, DG_USER, 0,
			"Must supply exactly one of python_file, package_name, "
			"module_name, "
			"or autoload_defs_module_name.");
	return 0;
}

int
dg_metadata_parse(struct dg_str text, struct dg_metadata *m, struct dg_err *e)
{
	int r = dg_json_check(text, DG_JSON_DEPTH_MAX, e);

	*m = (struct dg_metadata){0};
	if (r < 0)
		return r;
	m->text = dg_str_dup(text);
	r = read_all(m, e);
	if (r < 0)
		dg_metadata_clear(m);
	return r;
}

static int
env_var(struct dg_str item, const char *(*get)(void *arg, const char *name), void *arg,
	struct dg_strv *env, struct dg_err *e)
{
	auto_buf b = DG_BUF_INIT;
	const char *eq, *value;

	if (!dg_json_decode(item, &b) || !b.n || b.p[0] == '=' || memchr(b.p, 0, b.n))
		return dg_fail(e, DG_USER, 0,
			"env_vars has an item that is not KEY or KEY=VALUE");
	eq = strchr(b.p, '=');
	if (eq) {
		dg_strv_put(env, dg_strn(b.p, (size_t)(eq - b.p)), dg_str(eq + 1));
		return 0;
	}
	value = get(arg, b.p);
	if (!value)
		return dg_fail(e, DG_USER, 0,
			"Tried to load environment variable %s, but it was not set", b.p);
	dg_strv_put(env, dg_buf_str(&b), dg_str(value));
	return 0;
}

int
dg_context_env_vars(struct dg_str context,
	const char *(*get)(void *arg, const char *name), void *arg, struct dg_strv *env,
	struct dg_err *e)
{
	struct dg_json_iter it;
	struct dg_str list, item;

	if (!dg_json_member(context, "env_vars", &list))
		return 0;
	for (it = dg_json_iter(list); dg_json_next_item(&it, &item);) {
		int r = env_var(item, get, arg, env, e);

		if (r < 0)
			return r;
	}
	return 0;
}
