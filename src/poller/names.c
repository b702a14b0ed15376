/* poller/names.c: see names.h. */
#include "poller/names.h"

#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

void
dg_names_clear(struct dg_names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = DG_NAMES_INIT;
}

bool
dg_names_has(const struct dg_names *l, struct dg_str name)
{
	for (size_t i = 0; i < l->n; i++)
		if (dg_str_is(name, l->v[i]))
			return true;
	return false;
}

void
dg_names_add(struct dg_names *l, struct dg_str name)
{
	if (dg_names_has(l, name))
		return;
	l->v = dg_xrealloc(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = dg_str_dup(name);
}

bool
dg_names_read(struct dg_names *l, struct dg_str text)
{
	struct dg_names old = *l;
	bool news = false;

	*l = DG_NAMES_INIT;
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		struct dg_str line =
			dg_strn(text.p, end ? (size_t)(end - text.p) : text.n);
		size_t used = line.n + (end ? 1 : 0);

		text.p += used;
		text.n -= used;
		if (!line.n)
			continue;
		news = news || !dg_names_has(&old, line);
		dg_names_add(l, line);
	}
	dg_names_clear(&old);
	return news;
}

void
dg_names_lines(const struct dg_names *l, struct dg_buf *out)
{
	for (size_t i = 0; i < l->n; i++) {
		dg_buf_adds(out, l->v[i]);
		dg_buf_addc(out, '\n');
	}
	if (!l->n)
		dg_buf_addc(out, '\n');
}

void
dg_names_json(const struct dg_names *l, struct dg_buf *out)
{
	dg_buf_addc(out, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			dg_buf_adds(out, ", ");
		dg_json_add_str(out, dg_str(l->v[i]));
	}
	dg_buf_addc(out, ']');
}

bool
dg_names_of_answer(struct dg_names *l, struct dg_str body, bool full_only)
{
	struct dg_str list, item;
	struct dg_json_iter it;

	if (!dg_json_path(body, &list, "data", "deployments", NULL) ||
		dg_json_type(list) != DG_JSON_ARRAY)
		return false;
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &item)) {
		auto_free char *name = dg_json_member_dup(item, "deploymentName");
		bool branch = false;

		(void)dg_json_member_bool(item, "isBranchDeployment", &branch);
		if (name && *name && !strchr(name, '\n') && !(full_only && branch))
			dg_names_add(l, dg_str(name));
	}
	return true;
}
