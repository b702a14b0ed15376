/* json/splice.c: see splice.h. */
#include "json/splice.h"

#include "json/json.h"
#include "json/write.h"

static void
add_between(struct dg_buf *out, const char *from, const char *to)
{
	dg_buf_add(out, from, (size_t)(to - from));
}

static void
add_member(struct dg_buf *out, const char *key, struct dg_str value)
{
	dg_json_add_str(out, dg_str(key));
	dg_buf_adds(out, ": ");
	dg_buf_addstr(out, value);
}

/* Does the raw KEY sort behind NAME? */
static bool
sorts_behind(struct dg_str key, const char *name)
{
	auto_buf text = DG_BUF_INIT;

	dg_json_decode(key, &text);
	return dg_str_cmp(dg_buf_str(&text), dg_str(name)) > 0;
}

bool
dg_json_splice(
	struct dg_str object, const char *key, struct dg_str value, struct dg_buf *out)
{
	struct dg_json_iter it;
	struct dg_str k, v, old = DG_STR_NULL;
	const char *end, *at = NULL;
	bool some = false;

	object = dg_json_trim(object);
	if (dg_json_type(object) != DG_JSON_OBJECT)
		return false;
	end = object.p + object.n;
	it = dg_json_iter(object);
	while (dg_json_next_member(&it, &k, &v)) {
		some = true;
		if (dg_json_is(k, key))
			old = v;
		else if (!at && sorts_behind(k, key))
			at = k.p;
	}
	dg_buf_reserve(out, object.n + value.n + strlen(key) + 8);
	if (old.p) {
		add_between(out, object.p, old.p);
		dg_buf_addstr(out, value);
		add_between(out, old.p + old.n, end);
	} else if (at) {
		add_between(out, object.p, at);
		add_member(out, key, value);
		dg_buf_adds(out, ", ");
		add_between(out, at, end);
	} else {
		/* behind the last value, before the space that may precede the bracket */
		at = some ? v.p + v.n : object.p + 1;
		add_between(out, object.p, at);
		if (some)
			dg_buf_adds(out, ", ");
		add_member(out, key, value);
		add_between(out, at, end);
	}
	return true;
}

bool
dg_json_delete(struct dg_str object, const char *key, struct dg_buf *out)
{
	struct dg_json_iter it;
	struct dg_str k, v;
	const char *done;        /* copied up to here */
	const char *kept = NULL; /* end of the last member that stays */

	object = dg_json_trim(object);
	if (dg_json_type(object) != DG_JSON_OBJECT)
		return false;
	it = dg_json_iter(object);
	done = object.p;
	while (dg_json_next_member(&it, &k, &v)) {
		if (!dg_json_is(k, key)) {
			kept = v.p + v.n;
			continue;
		}
		if (kept) { /* the comma before it goes too */
			add_between(out, done, kept);
			done = kept = v.p + v.n;
		} else { /* the comma behind it goes too */
			struct dg_str rest =
				dg_json_trim(dg_strn(it.p, (size_t)(it.end - it.p)));

			add_between(out, done, k.p);
			done = rest.n ? rest.p : v.p + v.n;
		}
	}
	add_between(out, done, object.p + object.n);
	return true;
}
