/* config/rules.h: rules between keys of dagster.yaml, beyond what the tables can say. */
#ifndef DG_CONFIG_RULES_H
#define DG_CONFIG_RULES_H

#include "config/report.h"

/* What dg_validate() reports is not reported again. ENV may raise one limit. */
void dg_rules(const struct dg_yaml_node *root, const struct dg_report_file *file,
	const char *const *env, struct dg_report *report);

#endif
