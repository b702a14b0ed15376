/* Where a value ends, whatever the pieces it arrives in. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/scan.h"

Test(scan, the_end_is_found_at_every_cut)
{
	static const struct {
		const char *text;
		size_t end; /* SIZE_MAX: not within the text */
	} rows[] = {
		{"{}", 2},
		{" {\"a\": [1, \"]}\\\"\", {}]}, 5", 23},
		{"\"a\\\\\",", 5},
		{"\"a\\\"", SIZE_MAX},
		{"123,", 3},
		{"true}", 4},
		{"null ", 4},
		{"null", SIZE_MAX},
		{"[1]]", 3},
		{"[[1]", SIZE_MAX},
		{"   ", SIZE_MAX},
		{"", SIZE_MAX},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		size_t n = strlen(rows[i].text);

		for (size_t cut = 0; cut <= n; cut++) {
			struct dg_json_scan s = DG_JSON_SCAN_INIT;
			size_t at = dg_json_scan(&s, rows[i].text, cut);

			if (at == cut)
				at += dg_json_scan(&s, rows[i].text + cut, n - cut);
			cr_assert_eq(s.state == DG_SCAN_DONE, rows[i].end != SIZE_MAX,
				"row %zu cut %zu", i, cut);
			if (rows[i].end != SIZE_MAX)
				cr_assert_eq(at, rows[i].end, "row %zu cut %zu: %zu", i,
					cut, at);
			else
				cr_assert_eq(at, n, "row %zu cut %zu: %zu", i, cut, at);
		}
	}
}

Test(scan, a_finished_scan_eats_nothing)
{
	struct dg_json_scan s = DG_JSON_SCAN_INIT;

	cr_assert_eq(dg_json_scan(&s, "[]", 2), 2);
	cr_assert_eq(dg_json_scan(&s, "[]", 2), 0);
}
