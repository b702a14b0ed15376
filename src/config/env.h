/* config/env.h: the environment variables that mean something to the agent, as one table.
 *
 * A variable that is honoured becomes the setting "env.NAME", with its default where it
 * has one; flags become "true" or "false". One that has no meaning here is only named in
 * a warning when it is set. To add a variable is to add a row.
 */
#ifndef DG_CONFIG_ENV_H
#define DG_CONFIG_ENV_H

#include <stddef.h>

#include "config/report.h"
#include "config/settings.h"

enum dg_env_type {
	DG_ENV_STR,
	DG_ENV_INT,
	DG_ENV_FLOAT,
	DG_ENV_POSITIVE, /* invalid: a warning and the default, as the Python agent does
			  */
	DG_ENV_NONEMPTY, /* true when set and not empty */
	DG_ENV_TRUE,     /* true when it is exactly "true" */
	DG_ENV_NONE,     /* without meaning here */
};

struct dg_env_row {
	const char *name;
	enum dg_env_type type;
	const char *value; /* default; "=KEY" is that of another setting; NULL: none */
	unsigned roles;
	const char *help;
};

/* The I-th row, or NULL. */
const struct dg_env_row *dg_env_row(size_t i);

/* The value of NAME in ENV ("NAME=value", NULL-terminated), or NULL. */
const char *dg_env_get(const char *const *env, const char *name);

/* Put all of the table into S. Defaults that name settings need those to be there. */
void dg_env_fill(const char *const *env, struct dg_settings *s, struct dg_report *report);

/* An integer or a number as Python's int() and float() take it. */
bool dg_env_int(const char *text, int64_t *ret);
bool dg_env_float(const char *text, double *ret);

#endif
