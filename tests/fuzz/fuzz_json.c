/* tests/fuzz/fuzz_json.c: what was checked can be walked, decoded, written, spliced and
 * split; what was not checked can be walked without harm. */
#include "base/err.h"
#include "fuzz.h"
#include "json/json.h"
#include "json/scan.h"
#include "json/splice.h"
#include "json/write.h"

const char *const fuzz_corpus[] = {"fuzz/corpus/json", NULL};

/* Decoded, written and decoded again a string says the same. */
static void
string(struct dg_str v, bool good)
{
	auto_buf text = DG_BUF_INIT, json = DG_BUF_INIT, again = DG_BUF_INIT;

	if (!dg_json_decode(v, &text))
		return;
	dg_json_add_str(&json, dg_buf_str(&text));
	DG_ASSERT(dg_json_decode(dg_buf_str(&json), &again));
	DG_ASSERT(!good || dg_str_eq(dg_buf_str(&text), dg_buf_str(&again)));
	DG_ASSERT(!good || strlen(text.p ? text.p : "") != text.n ||
		  dg_json_is(v, text.p ? text.p : ""));
}

static void
walk(struct dg_str v, bool good, int depth)
{
	struct dg_json_iter it = dg_json_iter(v);
	struct dg_str k, item;
	int64_t i;
	double d;
	bool b;

	string(v, good);
	dg_json_int(v, &i);
	dg_json_double(v, &d);
	dg_json_bool(v, &b);
	if (depth == 20)
		return;
	if (dg_json_type(v) == DG_JSON_OBJECT)
		while (dg_json_next_member(&it, &k, &item)) {
			string(k, good);
			walk(item, good, depth + 1);
		}
	else
		while (dg_json_next_item(&it, &item))
			walk(item, good, depth + 1);
}

static void
splice(struct dg_str v, bool good)
{
	auto_buf with = DG_BUF_INIT, without = DG_BUF_INIT;
	struct dg_str found;

	if (!dg_json_splice(v, "instance_ref", DG_STR("{\"x\": 1}"), &with))
		return;
	dg_json_delete(dg_buf_str(&with), "instance_ref", &without);
	if (!good)
		return;
	DG_ASSERT(dg_json_check(dg_buf_str(&with), DG_JSON_DEPTH_MAX, NULL) == 0);
	DG_ASSERT(dg_json_member(dg_buf_str(&with), "instance_ref", &found));
	DG_ASSERT(dg_str_is(found, "{\"x\": 1}"));
	DG_ASSERT(dg_json_check(dg_buf_str(&without), DG_JSON_DEPTH_MAX, NULL) == 0);
	DG_ASSERT(!dg_json_member(dg_buf_str(&without), "instance_ref", &found));
}

/* A bracketed value ends for the scanner where it ends. */
static void
scan(struct dg_str v, bool good)
{
	struct dg_json_scan s = DG_JSON_SCAN_INIT;
	enum dg_json_type t = dg_json_type(v);
	size_t at = dg_json_scan(&s, v.p, v.n / 2);

	if (at == v.n / 2)
		at += dg_json_scan(&s, v.p + at, v.n - at);
	if (good && (t == DG_JSON_OBJECT || t == DG_JSON_ARRAY || t == DG_JSON_STRING))
		DG_ASSERT(s.state == DG_SCAN_DONE && at == v.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dg_str text = {(const char *)data, size};
	bool good = dg_json_check(text, DG_JSON_DEPTH_MAX, NULL) == 0;
	struct dg_str v = dg_json_trim(text);

	walk(v, good, 0);
	/* an object one level deeper than the limit allows cannot be checked again */
	splice(v, good && dg_json_check(text, DG_JSON_DEPTH_MAX - 1, NULL) == 0);
	scan(v, good);
	return 0;
}
