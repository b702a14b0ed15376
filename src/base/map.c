/* base/map.c: see map.h. Open addressing over an index of slot numbers. */
#include "base/map.h"

#include <stdlib.h>

#include "base/mem.h"

#define TOMB UINT32_MAX

static uint32_t
hash_of(struct dg_str k)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < k.n; i++)
		h = (h ^ (unsigned char)k.p[i]) * 16777619u;
	return h ^ h >> 15;
}

void
dg_map_clear(struct dg_map *m)
{
	for (size_t i = 0; i < m->used; i++)
		free(m->slots[i].key);
	free(m->slots);
	free(m->index);
	*m = DG_MAP_INIT;
}

static void
rebuild(struct dg_map *m)
{
	size_t cap = 8, live = 0;

	while (cap < m->live * 2 + 2)
		cap *= 2;
	for (size_t i = 0; i < m->used; i++)
		if (m->slots[i].key)
			m->slots[live++] = m->slots[i];
	m->used = live;
	m->cap = cap;
	m->mask = cap * 2 - 1;
	m->slots = dg_xrealloc(m->slots, cap, sizeof *m->slots);
	free(m->index);
	m->index = dg_xcalloc(m->mask + 1, sizeof *m->index);
	for (size_t i = 0; i < m->used; i++) {
		size_t at = m->slots[i].hash & m->mask;

		while (m->index[at])
			at = (at + 1) & m->mask;
		m->index[at] = (uint32_t)i + 1;
	}
}

/* The index place of KEY, or SIZE_MAX. */
static size_t
place_of(const struct dg_map *m, struct dg_str key, uint32_t hash)
{
	if (!m->index)
		return SIZE_MAX;
	for (size_t at = hash & m->mask; m->index[at]; at = (at + 1) & m->mask) {
		struct dg_map_slot *s;

		if (m->index[at] == TOMB)
			continue;
		s = &m->slots[m->index[at] - 1];
		if (s->hash == hash && s->n == key.n &&
			(key.n == 0 || memcmp(s->key, key.p, key.n) == 0))
			return at;
	}
	return SIZE_MAX;
}

void *
dg_map_get(const struct dg_map *m, struct dg_str key)
{
	size_t at = place_of(m, key, hash_of(key));

	return at == SIZE_MAX ? NULL : m->slots[m->index[at] - 1].value;
}

void *
dg_map_put(struct dg_map *m, struct dg_str key, void *value)
{
	uint32_t hash = hash_of(key);
	size_t at = place_of(m, key, hash);
	struct dg_map_slot *s;

	if (at != SIZE_MAX) {
		void *old;

		s = &m->slots[m->index[at] - 1];
		old = s->value;
		s->value = value;
		return old;
	}
	if (m->used == m->cap) /* tombs count as used: a rebuild sweeps them */
		rebuild(m);
	s = &m->slots[m->used];
	*s = (struct dg_map_slot){dg_xstrndup(key.p, key.n), key.n, hash, value};
	at = hash & m->mask;
	while (m->index[at] && m->index[at] != TOMB)
		at = (at + 1) & m->mask;
	m->index[at] = (uint32_t)++m->used;
	m->live++;
	return NULL;
}

void *
dg_map_del(struct dg_map *m, struct dg_str key)
{
	size_t at = place_of(m, key, hash_of(key));
	struct dg_map_slot *s;
	void *old;

	if (at == SIZE_MAX)
		return NULL;
	s = &m->slots[m->index[at] - 1];
	old = s->value;
	free(s->key);
	*s = (struct dg_map_slot){NULL, 0, 0, NULL};
	m->index[at] = TOMB;
	m->live--;
	return old;
}
