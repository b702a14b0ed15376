/* yaml/strict.h: what PyYAML's scanner refuses and libyaml's takes: tabs that separate,
 * and question marks inside plain scalars in [] and {}. */
#ifndef DG_YAML_STRICT_H
#define DG_YAML_STRICT_H

#include <yaml.h>

#include "yaml/yaml.h"

struct dg_yaml_strict {
	struct dg_str text;
	size_t at;     /* bytes of the text that were looked at */
	size_t index;  /* the same in characters */
	unsigned flow; /* open [ and { */
	struct dg_yaml_mark mark;
};

struct dg_yaml_strict dg_yaml_strict(struct dg_str text);
/* Look at the text up to the end of the event EV; events come in order. Returns what is
 * wrong at S->mark, or NULL. */
const char *dg_yaml_strict_next(struct dg_yaml_strict *s, const yaml_event_t *ev);

#endif
