/* dagster/metadata.h: CodeDeploymentMetadata: what a code location is made of. Pure. */
#ifndef DG_DAGSTER_METADATA_H
#define DG_DAGSTER_METADATA_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "dagster/strv.h"

/* Strings are NULL where the location has none (null, absent or empty: Dagster looks at
 * truth only). Slices are JSON text inside `text`. */
struct dg_metadata {
	char *text; /* the whole object, as it came */
	char *image;
	char *python_file, *package_name, *module_name, *autoload_defs_module_name;
	char *working_directory, *executable_path, *attribute;
	struct dg_str container_context; /* object; "{}" when there is none */
	struct dg_str cloud_context_env; /* object; "{}" when there is none */
	struct dg_str pex_metadata;      /* empty when there is none */
	struct dg_str defs_state_info;   /* empty when there is none */
};

/* TEXT is serializedDeploymentMetadata. -DG_USER when it is no such object or does not
 * name exactly one of the four things that can be loaded; M is then empty. Unknown
 * members do not matter. */
int dg_metadata_parse(struct dg_str text, struct dg_metadata *m, struct dg_err *e);
void dg_metadata_clear(struct dg_metadata *m);

/* container_context.env_vars (top level): "KEY=VALUE", or "KEY" with the value that GET
 * gives; -DG_USER when GET gives none. CONTEXT is the object's text, also that of a run's
 * repository origin. Puts them into ENV. */
int dg_context_env_vars(struct dg_str context,
	const char *(*get)(void *arg, const char *name), void *arg, struct dg_strv *env,
	struct dg_err *e);

#endif
