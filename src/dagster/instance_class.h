/* dagster/instance_class.h: for instance_ref.c only: the classes an instance is made of
 * (ConfigurableClassData), as dagster.yaml or the agent's defaults say. */
#ifndef DG_DAGSTER_INSTANCE_CLASS_H
#define DG_DAGSTER_INSTANCE_CLASS_H

#include "yaml/yaml.h"
#include "json/write.h"

struct dg_instance_class {
	bool present; /* else null */
	char *module; /* in its private spelling ("dagster._core...") */
	char *name;
	char *config; /* YAML */
};

struct dg_instance_classes {
	struct dg_instance_class compute_logs, defs_state_storage, event_storage,
		local_artifact_storage, run_coordinator, run_launcher, run_storage,
		schedule_storage, scheduler, secrets_loader, storage;
};

int dg_instance_classes_read(const struct dg_yaml_node *root, const char *home,
	struct dg_instance_classes *all, struct dg_err *e);
void dg_instance_classes_clear(struct dg_instance_classes *all);

/* CONFIG NULL: an empty mapping. */
int dg_instance_class_set(struct dg_instance_class *c, const char *module,
	const char *name, struct dg_yaml_node *config, struct dg_err *e);
void dg_instance_class_clear(struct dg_instance_class *c);
/* The object, or null; _add with its key. */
void dg_instance_class_json(struct dg_jw *w, const struct dg_instance_class *c);
void dg_instance_class_add(
	struct dg_jw *w, const char *key, const struct dg_instance_class *c);

/* Python's truth of a YAML value; NULL is false. */
bool dg_yaml_truth(const struct dg_yaml_node *n);
/* What serialize_value makes of it: keys sorted. -DG_CONFIG for what JSON cannot hold. */
int dg_yaml_to_json(
	const struct dg_yaml_node *n, struct dg_jw *w, unsigned depth, struct dg_err *e);

#endif
