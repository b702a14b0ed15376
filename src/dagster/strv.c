/* dagster/strv.c: see strv.h. */
#include "dagster/strv.h"

#include <stdlib.h>

#include "base/mem.h"

void
dg_strv_clear(struct dg_strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct dg_strv){NULL, 0};
}

static void
add_take(struct dg_strv *s, char *text)
{
	s->v = dg_xrealloc(s->v, s->n + 2, sizeof *s->v);
	s->v[s->n++] = text;
	s->v[s->n] = NULL;
}

void
dg_strv_add(struct dg_strv *s, const char *text)
{
	add_take(s, dg_xstrdup(text));
}

static char **
find(const struct dg_strv *s, struct dg_str key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strncmp(s->v[i], key.p, key.n) == 0 && s->v[i][key.n] == '=')
			return &s->v[i];
	return NULL;
}

void
dg_strv_put(struct dg_strv *s, struct dg_str key, struct dg_str value)
{
	struct dg_buf b = DG_BUF_INIT;
	char **old = find(s, key);

	dg_buf_addstr(&b, key);
	dg_buf_addc(&b, '=');
	dg_buf_addstr(&b, value);
	if (!old) {
		add_take(s, dg_buf_take(&b));
		return;
	}
	free(*old);
	*old = dg_buf_take(&b);
}

const char *
dg_strv_value(const struct dg_strv *s, const char *key)
{
	char **entry = find(s, dg_str(key));

	return entry ? *entry + strlen(key) + 1 : NULL;
}
