/* config/keys.h: the schema tables: every key of dagster.yaml and daglet.yaml is a row.
 *
 * A row names its key by path: "a.b" is b in the map a, "a[]" every item of the list a,
 * "a.*" every value of the map a. To add a key is to add a row; the validation, the
 * defaults, the settings of the roles, the sample file and the documentation follow from
 * it. One table per file (keys_*.c).
 */
#ifndef DG_CONFIG_KEYS_H
#define DG_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "daglet/role.h"

enum dg_key_type {
	DG_KEY_ANY,
	DG_KEY_STR,
	DG_KEY_INT,
	DG_KEY_BOOL,
	DG_KEY_FLOAT,   /* an integer too */
	DG_KEY_STR_SRC, /* the scalar or {env: NAME} */
	DG_KEY_INT_SRC,
	DG_KEY_BOOL_SRC,
	DG_KEY_SHAPE,        /* a map with the keys of the table and no others */
	DG_KEY_OPEN,         /* a map with any keys; those in the table are checked */
	DG_KEY_ONE_OF,       /* a map with exactly one of the keys of the table */
	DG_KEY_MAP,          /* a map from names to "path.*" */
	DG_KEY_LIST,         /* a list of "path[]" */
	DG_KEY_STR_OR_LIST,  /* a string or a list of "path[]" */
	DG_KEY_STR_OR_SHAPE, /* a string or a map with the keys of the table */
	DG_KEY_INT_OR_SHAPE,
};

enum {
	DG_KEY_REQUIRED = 1,   /* inside its map */
	DG_KEY_NULL = 2,       /* null is allowed */
	DG_KEY_DEPRECATED = 4, /* obeyed, with a warning; help says what to use */
	DG_KEY_UNUSED = 8,     /* accepted, nothing reads it; help says why */
};

/* What a change of the key takes at reload. */
enum dg_key_change { DG_CHANGE_NONE, DG_CHANGE_RELOAD, DG_CHANGE_ROLE, DG_CHANGE_AGENT };

struct dg_key {
	const char *path;
	enum dg_key_type type;
	unsigned flags;
	const char *value; /* the default, as it stands in settings; NULL: none */
	const char *range; /* "a|b|c" for strings, "MIN..MAX" for numbers; NULL: any */
	unsigned roles;    /* DG_ROLE_BIT of those who get it; 0: only checked */
	enum dg_key_change change;
	const char *help;
};

struct dg_key_table {
	const struct dg_key *rows;
	size_t n;
};

#define DG_KEYS_FOR_NET (DG_ROLE_BIT(DG_ROLE_POLLER) | DG_ROLE_BIT(DG_ROLE_REPORTER))
#define DG_KEYS_FOR_LAUNCHER DG_ROLE_BIT(DG_ROLE_LAUNCHER)
#define DG_KEYS_FOR_MASTER DG_ROLE_BIT(DG_ROLE_MASTER)
#define DG_KEYS_FOR_ALL (DG_ROLE_BIT(DG_ROLE_COUNT) - 1)

extern const struct dg_key_table dg_keys_instance; /* Dagster's own, only checked */
extern const struct dg_key_table dg_keys_agent;
extern const struct dg_key_table dg_keys_launcher; /* of every user code launcher */
extern const struct dg_key_table
	dg_keys_no_backend; /* in place of it and the backend's */
extern const struct dg_key_table dg_keys_process;
extern const struct dg_key_table dg_keys_docker;
extern const struct dg_key_table dg_keys_ecs;
extern const struct dg_key_table dg_keys_kubernetes;
extern const struct dg_key_table dg_keys_daglet; /* daglet.yaml */

/* The tables of one file, NULL-terminated. */
#define DG_KEY_TABLES_MAX 6
struct dg_schema {
	const struct dg_key_table *tables[DG_KEY_TABLES_MAX];
};

/* The row of a path; NULL when there is none. */
const struct dg_key *dg_key_find(const struct dg_schema *s, const char *path);
/* Walk all rows: for (r = NULL; (r = dg_key_next(s, r));). */
const struct dg_key *dg_key_next(const struct dg_schema *s, const struct dg_key *after);
/* Is ROW a key of the map PARENT ("" for the file)? Returns its last part, or NULL. */
const char *dg_key_in(const struct dg_key *row, const char *parent);

/* Is the value in the row's range? */
bool dg_key_allows_str(const struct dg_key *row, struct dg_str v);
bool dg_key_allows_int(const struct dg_key *row, int64_t v);

/* User code launchers by the names that dagster.yaml gives them. */
struct dg_launcher_class {
	const char *module, *cls;
	const char *backend;             /* "process" */
	const struct dg_key_table *keys; /* of its config; NULL: not known */
	bool served;                     /* this build has the backend */
};

/* The row of a class in any of the modules that Python finds it in; NULL when unknown. */
const struct dg_launcher_class *dg_launcher_class(const char *module, const char *cls);
/* The I-th row, or NULL. */
const struct dg_launcher_class *dg_launcher_class_at(size_t i);

#endif
