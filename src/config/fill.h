/* config/fill.h: from a valid document to settings: defaults, {env: NAME}, lists. */
#ifndef DG_CONFIG_FILL_H
#define DG_CONFIG_FILL_H

#include "config/keys.h"
#include "config/report.h"
#include "config/settings.h"

struct dg_fill {
	const struct dg_schema *schema;
	const struct dg_yaml_node *root;
	const struct dg_report_file *file;
	const char *prefix;     /* of the settings: "" or "daglet." */
	const char *const *env; /* for {env: NAME} */
	const char *skip;       /* a key that somebody else sets, or NULL */
};

/* Set every key that some role gets. Variables that are not set or do not fit are
 * reported; what dg_validate() reports is skipped. */
void dg_fill(const struct dg_fill *f, struct dg_settings *s, struct dg_report *report);

/* "false", "none", "0" and "" in any case are false, all else is true. */
bool dg_fill_bool(const char *text);

#endif
