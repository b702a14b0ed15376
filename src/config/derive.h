/* config/derive.h: settings that follow from others: URL, queues, deployments, folders.
 */
#ifndef DG_CONFIG_DERIVE_H
#define DG_CONFIG_DERIVE_H

#include "config/config.h"
#include "config/report.h"

/* From what dg_fill() and dg_env_fill() have set. */
void dg_derive(const struct dg_config_source *src, const struct dg_yaml_node *root,
	const struct dg_report_file *file, struct dg_settings *s,
	struct dg_report *report);

#endif
