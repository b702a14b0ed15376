/* reporter/trouble.c: see trouble.h. */
#include "reporter/trouble.h"

#include "dagster/error.h"
#include "json/json.h"
#include "json/write.h"

void
dg_troubles_init(struct dg_troubles *t, size_t limit)
{
	*t = (struct dg_troubles){.limit = limit};
}

void
dg_troubles_clear(struct dg_troubles *t)
{
	for (size_t i = 0; i < t->n; i++)
		dg_buf_clear(&t->ring[i].error);
	t->n = 0;
}

bool
dg_troubles_add(struct dg_troubles *t, int64_t wall, struct dg_str error)
{
	struct dg_trouble new = {.wall = wall};

	if (dg_json_check(error, DG_JSON_DEPTH_MAX, NULL) < 0 ||
		!dg_error_is(dg_json_trim(error)))
		return false;
	dg_error_truncate(dg_json_trim(error), t->limit, 3, &new.error);
	for (size_t i = 0; i < t->n; i++)
		if (t->ring[i].wall == wall && dg_str_eq(dg_buf_str(&t->ring[i].error),
						       dg_buf_str(&new.error))) {
			dg_buf_clear(&new.error);
			return false;
		}
	if (t->n == DG_TROUBLE_MAX)
		dg_buf_clear(&t->ring[--t->n].error);
	for (size_t i = t->n++; i > 0; i--)
		t->ring[i] = t->ring[i - 1];
	t->ring[0] = new;
	return true;
}

void
dg_troubles_json(
	const struct dg_troubles *t, int64_t wall, struct dg_buf *out, size_t *chars)
{
	struct dg_jw w = dg_jw(out);

	*chars = 0;
	dg_jw_open_array(&w);
	for (size_t i = 0; i < t->n; i++) {
		auto_buf one = DG_BUF_INIT;

		if (t->ring[i].wall <= wall - DG_TROUBLE_AGE)
			continue;
		dg_error_add_timestamped(
			&one, dg_buf_str(&t->ring[i].error), t->ring[i].wall);
		*chars += dg_str_chars(dg_buf_str(&one));
		dg_jw_strn(&w, dg_buf_str(&one));
	}
	dg_jw_close_array(&w);
}
