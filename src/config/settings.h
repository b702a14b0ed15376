/* config/settings.h: the configuration as roles see it: flat keys, resolved, with
 * defaults.
 *
 * The master builds it from dagster.yaml, daglet.yaml, the command line and the
 * environment; each role gets only the keys that its bit in the key tables allows, as a
 * sealed memfd. Keys are paths joined with dots as they stand in the files
 * ("dagster_cloud_api.url"); daglet.yaml's start with "daglet.", environment variables
 * are "env.NAME". A key that has a default always has a value. Lists and maps have a
 * count.
 */
#ifndef DG_CONFIG_SETTINGS_H
#define DG_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct dg_settings;

struct dg_settings *dg_settings_new(void);
void dg_settings_free(struct dg_settings *s);
void dg_settings_freep(struct dg_settings **s);

/* Values are text; the getters convert. Absent: NULL, 0, 0.0, false. */
bool dg_settings_has(const struct dg_settings *s, const char *key);
const char *dg_settings_str(const struct dg_settings *s, const char *key);
int64_t dg_settings_int(const struct dg_settings *s, const char *key);
double dg_settings_float(const struct dg_settings *s, const char *key);
bool dg_settings_bool(const struct dg_settings *s, const char *key);

/* Lists and maps: entries of `key`, in the file's order. A null element of a list (the
 * default queue) has value NULL; names are NULL in lists. A list of lists is `key.0`,
 * `key.1`... and a map of lists `key.NAME` (names as in the file; use _name to find
 * them). */
size_t dg_settings_count(const struct dg_settings *s, const char *key);
const char *dg_settings_item(const struct dg_settings *s, const char *key, size_t i);
const char *dg_settings_name(const struct dg_settings *s, const char *key, size_t i);

/* The I-th key, in the order of their setting; NULL behind the last. */
const char *dg_settings_key(const struct dg_settings *s, size_t i);

/* MASK: DG_ROLE_BIT of those who may have the value. Set replaces; add appends an entry.
 */
void dg_settings_set(
	struct dg_settings *s, unsigned mask, const char *key, const char *value);
/* KEY is a list or map, empty until something is added. */
void dg_settings_list(struct dg_settings *s, unsigned mask, const char *key);
void dg_settings_add(struct dg_settings *s, unsigned mask, const char *key,
	const char *name, const char *value);

/* DG_ROLE_BIT of those who may have the value; 0: absent. */
unsigned dg_settings_mask(const struct dg_settings *s, const char *key);
/* KEY becomes what FROM says, or absent where FROM has none. */
void dg_settings_copy(
	struct dg_settings *to, const struct dg_settings *from, const char *key);
struct dg_settings *dg_settings_clone(const struct dg_settings *s);

/* What roles in MASK may have, as a sealed memfd (returned), and back. */
int dg_settings_seal(const struct dg_settings *s, unsigned mask, struct dg_err *e);
int dg_settings_load(int fd, struct dg_settings **ret, struct dg_err *e);

#endif
