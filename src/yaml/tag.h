/* yaml/tag.h: what the files of this room share: tags, arena, scalar meaning. */
#ifndef DG_YAML_TAG_H
#define DG_YAML_TAG_H

#include "yaml/yaml.h"

enum dg_yaml_tag {
	DG_TAG_OTHER, /* one that SafeLoader has no constructor for */
	DG_TAG_NULL,
	DG_TAG_BOOL,
	DG_TAG_INT,
	DG_TAG_FLOAT,
	DG_TAG_STR,
	DG_TAG_BINARY,
	DG_TAG_TIMESTAMP,
	DG_TAG_SEQ,
	DG_TAG_MAP,
	DG_TAG_SET,
	DG_TAG_OMAP,
	DG_TAG_PAIRS,
	DG_TAG_MERGE,
	DG_TAG_VALUE,
};

enum dg_yaml_shape { DG_SHAPE_SCALAR, DG_SHAPE_SEQ, DG_SHAPE_MAP };

/* What a plain scalar means (resolve.c). Pure. */
enum dg_yaml_tag dg_yaml_resolve(struct dg_str v, enum dg_yaml_dates dates);

/* Give the scalar NODE kind and value from its source by TAG (scalar.c). */
int dg_yaml_scalar(struct dg_yaml *y, struct dg_yaml_node *node, enum dg_yaml_tag tag,
	struct dg_err *e);

/* Give NODE and all below it kind and value (construct.c). On failure *AT is set. */
int dg_yaml_construct(struct dg_yaml *y, struct dg_yaml_node *node,
	struct dg_yaml_mark *at, struct dg_err *e);

/* Memory that lives as long as Y (yaml.c). Zeroed. */
void *dg_yaml_alloc(struct dg_yaml *y, size_t n);
struct dg_str dg_yaml_keep(struct dg_yaml *y, struct dg_str s);
struct dg_yaml_node *dg_yaml_node(struct dg_yaml *y);
/* Room for one more entry in a SEQ (items) or a map-like node (pairs). */
void dg_yaml_room(struct dg_yaml *y, struct dg_yaml_node *node);
void dg_yaml_set_root(struct dg_yaml *y, struct dg_yaml_node *root);

#endif
