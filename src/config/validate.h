/* config/validate.h: is a document what its tables allow? Pure; nothing is resolved. */
#ifndef DG_CONFIG_VALIDATE_H
#define DG_CONFIG_VALIDATE_H

#include "config/keys.h"
#include "config/report.h"
#include "yaml/yaml.h"

/* Report every key and value of ROOT that the tables do not allow, what is missing, and
 * warnings for deprecated and unused keys. A null ROOT counts as an empty map. */
void dg_validate(const struct dg_schema *schema, const struct dg_yaml_node *root,
	const struct dg_report_file *file, struct dg_report *report);

/* The node at a dotted path, and the mark of its key; NULL where there is none. */
const struct dg_yaml_node *dg_config_at(
	const struct dg_yaml_node *root, const char *path);
struct dg_yaml_mark dg_config_mark(const struct dg_yaml_node *root, const char *path);

#endif
