/* dagster/strv.h: a growing list of owned C strings, NULL-terminated: an argv or an
 * environment. Zero-initialised it is empty. */
#ifndef DG_DAGSTER_STRV_H
#define DG_DAGSTER_STRV_H

#include <stddef.h>

#include "base/str.h"

struct dg_strv {
	char **v; /* NULL while empty */
	size_t n;
};

void dg_strv_clear(struct dg_strv *s);
void dg_strv_add(struct dg_strv *s, const char *text);
/* As environment: KEY=VALUE, in place of what KEY was. Values end at their first NUL, as
 * no environment can hold one. */
void dg_strv_put(struct dg_strv *s, struct dg_str key, struct dg_str value);
const char *dg_strv_value(const struct dg_strv *s, const char *key);

#define auto_strv __attribute__((cleanup(dg_strv_clear))) struct dg_strv

#endif
