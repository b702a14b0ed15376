/* reporter/view.c: see view.h. */
#include "reporter/view.h"

#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"

void
dg_view_init(struct dg_view *v)
{
	*v = (struct dg_view){.link = 0};
	for (size_t k = 0; k < DG_STATE_COUNT; k++)
		v->rows[k] = DG_MAP_INIT;
}

static void
row_free(struct dg_view_row *row)
{
	if (!row)
		return;
	dg_buf_clear(&row->body);
	free(row);
}

void
dg_view_clear(struct dg_view *v)
{
	for (size_t k = 0; k < DG_STATE_COUNT; k++) {
		DG_MAP_EACH(&v->rows[k], s)
		row_free(s->value);
		dg_map_clear(&v->rows[k]);
	}
}

void
dg_view_linked(struct dg_view *v, dg_usec now)
{
	v->link++;
	v->linked = now;
}

/* Would a heartbeat say something else than before? */
static bool
differs(struct dg_str before, struct dg_str now)
{
	static const char *const said[] = {"status", "error", "message"};

	for (size_t i = 0; i < DG_N(said); i++) {
		struct dg_str a = DG_STR_NULL, b = DG_STR_NULL;

		(void)dg_json_member(before, said[i], &a);
		(void)dg_json_member(now, said[i], &b);
		if (!dg_str_eq(a, b))
			return true;
	}
	return false;
}

bool
dg_view_set(struct dg_view *v, const struct dg_msg_state *m)
{
	struct dg_str body = dg_strn(m->body.p, m->body.n);
	struct dg_view_row *row;
	bool heard;

	if (m->kind >= DG_STATE_COUNT)
		return false;
	heard = m->kind == DG_STATE_LOCATION || m->kind == DG_STATE_RUN;
	if (m->gone) {
		row = dg_map_del(&v->rows[m->kind], m->key);
		v->news |= heard && row;
		row_free(row);
		return true;
	}
	if (dg_json_check(body, DG_JSON_DEPTH_MAX, NULL) < 0 ||
		dg_json_type(dg_json_trim(body)) != DG_JSON_OBJECT)
		return false;
	row = dg_map_get(&v->rows[m->kind], m->key);
	if (!row) {
		row = dg_new(struct dg_view_row);
		dg_map_put(&v->rows[m->kind], m->key, row);
	}
	row->link = v->link;
	v->news |= heard && differs(dg_buf_str(&row->body), dg_json_trim(body));
	dg_buf_reset(&row->body);
	dg_buf_addstr(&row->body, dg_json_trim(body));
	return true;
}

void
dg_view_sweep(struct dg_view *v, dg_usec now)
{
	if (!v->linked || v->linked + DG_VIEW_SETTLE > now)
		return;
	v->linked = 0;
	for (size_t k = 0; k < DG_STATE_COUNT; k++)
		DG_MAP_EACH(&v->rows[k], s)
		{
			struct dg_view_row *row = s->value;

			if (row->link == v->link)
				continue;
			dg_map_del(&v->rows[k], dg_strn(s->key, s->n));
			row_free(row);
		}
}

struct dg_str
dg_view_get(const struct dg_view *v, enum dg_state_kind k, const char *key)
{
	const struct dg_view_row *row = dg_map_get(&v->rows[k], dg_str(key));

	return row ? dg_buf_str(&row->body) : DG_STR_NULL;
}

struct dg_str
dg_view_launcher(const struct dg_view *v)
{
	DG_MAP_EACH(&v->rows[DG_STATE_ROLE], s)
	if (dg_str_starts(dg_strn(s->key, s->n), "launcher:"))
		return dg_buf_str(&((const struct dg_view_row *)s->value)->body);
	return DG_STR_NULL;
}
