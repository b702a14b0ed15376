/* status/mirror.c: see mirror.h. */
#include "status/mirror.h"

#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"

#define SAID_AGAIN_WITHIN DG_MINUTE
#define BODY_DEPTH 64

void
dg_mirror_init(struct dg_mirror *m, dg_usec now)
{
	*m = (struct dg_mirror){.link_at = now};
}

static void
free_row(struct dg_mirror_row *row)
{
	if (!row)
		return;
	dg_buf_clear(&row->body);
	free(row);
}

void
dg_mirror_clear(struct dg_mirror *m)
{
	for (unsigned t = 0; t < DG_N(m->rows); t++) {
		DG_MAP_EACH(&m->rows[t], s)
		free_row(s->value);
		dg_map_clear(&m->rows[t]);
	}
	free(m->agent_id);
	free(m->installation);
	*m = (struct dg_mirror){0};
}

int
dg_mirror_put(struct dg_mirror *m, unsigned table, struct dg_str key, struct dg_str body,
	dg_usec now, struct dg_err *e)
{
	struct dg_mirror_row *row;
	int r;

	if (table >= DG_N(m->rows))
		return dg_fail(e, DG_BUG, 0, "a state of unknown kind %u", table);
	r = dg_json_check(body, BODY_DEPTH, e);
	if (r < 0 || dg_json_type(dg_json_trim(body)) != DG_JSON_OBJECT)
		return dg_fail(e, DG_BUG, 0, "the state of '%.*s' is no JSON object",
			DG_FMT(key));
	row = dg_map_get(&m->rows[table], key);
	if (!row) {
		row = dg_new(struct dg_mirror_row);
		dg_map_put(&m->rows[table], key, row);
	}
	dg_buf_reset(&row->body);
	dg_buf_addstr(&row->body, dg_json_trim(body));
	row->at = now;
	row->round = m->round;
	return 0;
}

void
dg_mirror_gone(struct dg_mirror *m, unsigned table, struct dg_str key)
{
	if (table < DG_N(m->rows))
		free_row(dg_map_del(&m->rows[table], key));
}

void
dg_mirror_identity(struct dg_mirror *m, const struct dg_msg_identity *id)
{
	free(m->agent_id);
	free(m->installation);
	m->agent_id = dg_str_dup(id->agent_id);
	m->installation = dg_str_dup(id->installation);
	m->slot = id->slot;
}

void
dg_mirror_link(struct dg_mirror *m, bool linked, dg_usec now)
{
	if (linked)
		m->round++;
	if (linked || m->linked)
		m->link_at = now;
	m->linked = linked;
}

void
dg_mirror_sweep(struct dg_mirror *m, dg_usec now)
{
	if (!m->linked || now - m->link_at < SAID_AGAIN_WITHIN)
		return;
	for (unsigned t = 0; t < DG_STATE_COUNT; t++)
		DG_MAP_EACH(&m->rows[t], s)
		{
			const struct dg_mirror_row *row = s->value;

			if (row->round != m->round)
				free_row(dg_map_del(&m->rows[t], dg_strn(s->key, s->n)));
		}
}

size_t
dg_mirror_count(const struct dg_mirror *m, unsigned table)
{
	return dg_map_count(&m->rows[table]);
}

const struct dg_mirror_row *
dg_mirror_get(const struct dg_mirror *m, unsigned table, struct dg_str key)
{
	return dg_map_get(&m->rows[table], key);
}

static int
by_key(const void *a, const void *b)
{
	const struct dg_mirror_row *const *x = a, *const *y = b;

	return dg_str_cmp((*x)->key, (*y)->key);
}

const struct dg_mirror_row **
dg_mirror_sorted(const struct dg_mirror *m, unsigned table, size_t *ret_n)
{
	const struct dg_map *map = &m->rows[table];
	const struct dg_mirror_row **rows =
		dg_xcalloc(dg_map_count(map), sizeof(struct dg_mirror_row *));
	size_t n = 0;

	DG_MAP_EACH(map, s)
	{
		struct dg_mirror_row *row = s->value;

		row->key = dg_strn(s->key, s->n); /* the map may have moved it */
		rows[n++] = row;
	}
	qsort(rows, n, sizeof rows[0], by_key);
	*ret_n = n;
	return rows;
}
