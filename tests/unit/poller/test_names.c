/* Lists of names. */
#include <criterion/criterion.h>

#include "poller/names.h"

Test(names, read_and_written)
{
	struct dg_names l = DG_NAMES_INIT;
	auto_buf lines = DG_BUF_INIT, json = DG_BUF_INIT;

	cr_assert(dg_names_read(&l, DG_STR("b\na\n\nb")));
	cr_assert_eq(l.n, 2);
	cr_assert_not(dg_names_read(&l, DG_STR("a\nb\n")));
	cr_assert(dg_names_read(&l, DG_STR("a\n\xc3\xa4\n")));
	dg_names_lines(&l, &lines);
	cr_assert_str_eq(lines.p, "a\n\xc3\xa4\n");
	dg_names_json(&l, &json);
	cr_assert_str_eq(json.p, "[\"a\", \"\\u00e4\"]");
	cr_assert_not(dg_names_read(&l, DG_STR("\n")));
	cr_assert_eq(l.n, 0);
	dg_buf_reset(&lines);
	dg_names_lines(&l, &lines);
	cr_assert_str_eq(lines.p, "\n");
	dg_names_clear(&l);
}

Test(names, of_an_answer)
{
	static const char body[] =
		"{\"data\": {\"deployments\": [{\"deploymentName\": \"a\", "
		"\"isBranchDeployment\": false}, {\"deploymentName\": \"b\", "
		"\"isBranchDeployment\": true}, {\"deploymentName\": null}, 7, "
		"{\"deploymentName\": \"x\\ny\"}, {\"deploymentName\": \"c\"}]}}";
	struct dg_names l = DG_NAMES_INIT;

	cr_assert(dg_names_of_answer(&l, dg_str(body), true));
	cr_assert_eq(l.n, 2);
	cr_assert_str_eq(l.v[1], "c");
	cr_assert(dg_names_of_answer(&l, dg_str(body), false));
	cr_assert_eq(l.n, 3);
	cr_assert(dg_names_has(&l, DG_STR("b")));
	cr_assert_not(dg_names_of_answer(&l, DG_STR("{\"data\": null}"), true));
	cr_assert_not(dg_names_of_answer(
		&l, DG_STR("{\"data\": {\"deployments\": null}}"), true));
	dg_names_clear(&l);
}
