/* base/map.h: a hash map from a string of bytes to a pointer.
 *
 * Ours because libc's tables (hsearch, tsearch) cannot delete while walking or need a
 * callback without an argument. Keys are copied; values are the caller's. Growing is
 * amortised; order is that of insertion among what was never deleted.
 */
#ifndef DG_BASE_MAP_H
#define DG_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct dg_map_slot {
	char *key; /* NULL: empty or deleted */
	size_t n;
	uint32_t hash;
	void *value;
};

struct dg_map {
	struct dg_map_slot *slots; /* in order of insertion */
	uint32_t *index;           /* hash -> slot number + 1; 0 is free */
	size_t used, live, cap, mask;
};

#define DG_MAP_INIT ((struct dg_map){NULL, NULL, 0, 0, 0, 0})

void dg_map_clear(struct dg_map *m); /* forgets the values */
void *dg_map_get(const struct dg_map *m, struct dg_str key);
/* Sets KEY to VALUE (not NULL) and returns the value it replaced, or NULL. */
void *dg_map_put(struct dg_map *m, struct dg_str key, void *value);
/* Takes KEY out and returns its value, or NULL. Safe inside DG_MAP_EACH. */
void *dg_map_del(struct dg_map *m, struct dg_str key);

static inline size_t
dg_map_count(const struct dg_map *m)
{
	return m->live;
}

/* for (size_t i...) over live slots: DG_MAP_EACH(m, s) { s->key, s->value } */
#define DG_MAP_EACH(m, s)                                                                \
	for (size_t i_##s = 0; i_##s < (m)->used; i_##s++)                               \
		for (struct dg_map_slot *s = &(m)->slots[i_##s]; s && s->key; s = NULL)

#endif
