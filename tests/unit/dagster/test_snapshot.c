/* Answers of code servers and of the control plane about snapshots. */
#include <criterion/criterion.h>

#include "base/fd.h"
#include "base/mem.h"
#include "dagster/error.h"
#include "dagster/snapshot.h"
#include "dagster/squeeze.h"

Test(snapshot, lists_of_repositories)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{"{\"__class__\": \"ListRepositoriesResponse\", "
		 "\"repository_code_pointer_dict\": {\"a\": {\"p\": 1}, \"\\u00e9\": "
		 "null}, "
		 "\"container_image\": \"\", \"executable_path\": \"/p\", "
		 "\"dagster_library_versions\": {\"dagster\": \"1\"}, "
		 "\"defs_state_info\": "
		 "{}}",
			0},
		{"{\"__class__\": \"SerializableErrorInfo\", \"message\": \"m\"}", 0},
		{"{}", -DG_USER},
		{"{\"repository_code_pointer_dict\": []}", -DG_USER},
		{"", -DG_USER},
	};
	struct dg_repositories r;
	struct dg_err e;

	for (size_t i = 0; i < DG_N(rows); i++) {
		cr_assert_eq(dg_repositories_parse(dg_str(rows[i].text), &r, &e),
			rows[i].want, "row %zu", i);
		if (i == 0) {
			cr_assert_eq(r.n, 2);
			cr_assert_str_eq(r.list[1].name, "é");
			cr_assert(dg_str_is(r.list[0].code_pointer, "{\"p\": 1}"));
			cr_assert_eq(r.image.n, 0, "an empty image is none");
			cr_assert(dg_str_is(r.executable_path, "\"/p\""));
			cr_assert(dg_str_is(r.defs_state_info, "{}"));
		}
		if (i == 1)
			cr_assert_gt(r.error.n, 0);
		dg_repositories_clear(&r);
	}
	cr_assert(dg_str_is(
		dg_current_image(DG_STR("{\"current_image\": \"i\"}")), "\"i\""));
	cr_assert_eq(dg_current_image(DG_STR("{\"current_image\": null}")).n, 0);
	cr_assert_eq(dg_current_image(DG_STR("{")).n, 0);
}

Test(snapshot, the_job_inside_its_data_byte_for_byte)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{"{\"__class__\": \"ExternalPipelineData\", \"pipeline_snapshot\": "
		 "{\"__class__\":  \"PipelineSnapshot\", \"x\":1.0}}",
			"{\"__class__\":  \"PipelineSnapshot\", \"x\":1.0}"},
		{"{\"pipeline_snapshot\": {\"a\": \"}\"}, \"__class__\": "
		 "\"ExternalPipelineData\"}",
			"{\"a\": \"}\"}"},
		{"{\"__class__\": \"ExternalPipelineData\"}", NULL},
		{"{\"__class__\": \"ExternalPipelineData\", \"pipeline_snapshot\": null}",
			NULL},
		{"{\"__class__\": \"X\", \"pipeline_snapshot\": {}}", NULL},
		{"{", NULL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_str s;
		struct dg_err e;
		int r = dg_job_snapshot(dg_str(rows[i].text), &s, &e);

		cr_assert_eq(r, rows[i].want ? 0 : -DG_USER, "row %zu", i);
		if (rows[i].want)
			cr_assert(dg_str_is(s, rows[i].want), "row %zu", i);
	}
}

Test(snapshot, a_job_that_did_not_come)
{
	auto_buf with = DG_BUF_INIT;
	auto_buf without = DG_BUF_INIT;
	auto_buf inner = DG_BUF_INIT;

	dg_error_add(&inner, "Exception", DG_STR("x"), DG_STR_NULL);
	dg_job_missing_error(&with, dg_buf_str(&inner));
	cr_assert(
		strstr(with.p, "Error fetching job data in code server:\\nException: x"));
	dg_job_missing_error(&without, DG_STR(""));
	cr_assert(strstr(without.p, "no captured error"));
}

Test(snapshot, is_it_there_and_where_does_it_go)
{
#define UP(format, url)                                                                  \
	"{\"stored_snapshot\": null, \"upload_data\": {\"format\": " format              \
	", \"presigned_put_url\": " url ", \"id\": \"i\"}}"
	static const struct {
		const char *text;
		int want;
		bool stored, packed;
	} rows[] = {
		{"{\"stored_snapshot\": {\"sha1\": \"s\"}, \"upload_data\": null}", 0,
			true, false},
		{UP("\"json.gz\"", "\"http://u\""), 0, false, true},
		{UP("\"json\"", "\"http://u\""), 0, false, false},
		{UP("\"xml\"", "\"http://u\""), -DG_USER, false, false},
		{UP("\"json\"", "null"), -DG_USER, false, false},
		{UP("\"json\"", "\"\""), -DG_USER, false, false},
		{"{\"stored_snapshot\": null, \"upload_data\": null}", -DG_USER, false,
			false},
		{"", -DG_USER, false, false},
	};
#undef UP
	auto_buf q = DG_BUF_INIT;

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_snapshot_check c;
		struct dg_err e;

		cr_assert_eq(dg_snapshot_check_parse(dg_str(rows[i].text), &c, &e),
			rows[i].want, "row %zu", i);
		cr_assert_eq(c.stored.n != 0, rows[i].stored);
		cr_assert_eq(c.packed, rows[i].packed, "row %zu", i);
		dg_snapshot_check_clear(&c);
	}
	dg_snapshot_query(&q, "job", "abc", 12);
	cr_assert_str_eq(q.p, "type=job&sha1=abc&size=12&formats=json.gz&formats=json");
}

Test(snapshot, answers_to_an_update)
{
	struct dg_update_answer a;
	struct dg_err e;
	auto_buf changed = DG_BUF_INIT;
	auto_buf failed = DG_BUF_INIT;

	cr_assert_eq(
		dg_update_answer_parse(DG_STR("{\"updated\": true, \"message\": \"ok\", "
					      "\"missing_job_snapshots\": null}"),
			&a, &e),
		0);
	cr_assert(a.updated);
	cr_assert_not(a.missing_known);
	dg_update_failed_error(&failed, &a, true);
	cr_assert(strstr(failed.p, "Exception: Workspace entry upload failed: ok\\n"));
	dg_update_answer_clear(&a);
	cr_assert_eq(
		dg_update_answer_parse(
			DG_STR("{\"updated\": false, \"missing_job_snapshots\": "
			       "[{\"location_name\": \"l\", \"repository_name\": \"r\", "
			       "\"job_name\": \"j\"}]}"),
			&a, &e),
		0);
	cr_assert_eq(a.missing_n, 1);
	cr_assert_str_eq(a.missing[0].job, "j");
	cr_assert_str_eq(a.message, "");
	dg_update_failed_error(&changed, &a, false);
	cr_assert(strstr(changed.p,
		"Code location update failed, job definitions changed while uploading: "
		"[JobSelector(location_name='l', repository_name='r', "
		"job_name='j')]\\n"));
	dg_update_answer_clear(&a);
	cr_assert_lt(dg_update_answer_parse(DG_STR("{}"), &a, &e), 0);
	cr_assert_lt(dg_update_answer_parse(DG_STR("{"), &a, &e), 0);
	cr_assert_lt(
		dg_update_answer_parse(
			DG_STR("{\"updated\": false, \"missing_job_snapshots\": [{}]}"),
			&a, &e),
		0);
}

Test(squeeze, sha1_as_measured_on_the_wire)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_squeeze *s = dg_squeeze_new(-1, -1);
	char sha1[41];
	uint64_t bytes;

	dg_error_add(&b, "Exception", DG_STR("boom"), DG_STR_NULL);
	cr_assert_eq(dg_squeeze_feed(s, dg_buf_str(&b), NULL), 0);
	cr_assert_eq(dg_squeeze_end(s, sha1, &bytes, NULL), 0);
	dg_squeeze_free(s);
	cr_assert_eq(b.n, 140);
	cr_assert_str_eq(sha1, "da926acb1078c396724e7491c81ff1e95c049584");
}

Test(squeeze, a_descriptor_that_takes_nothing)
{
	struct dg_squeeze *s = dg_squeeze_new(0x7fff, -1);
	struct dg_err e;

	cr_assert_eq(dg_squeeze_feed(s, DG_STR("x"), &e), -DG_TRANSPORT);
	dg_squeeze_free(s);
}

Test(squeeze, what_is_no_stream)
{
	auto_close int fd = dg_memfd("text", NULL);

	cr_assert_eq(dg_unsqueeze(DG_STR("x"), fd, NULL), -DG_USER);
	cr_assert_eq(dg_unsqueeze(DG_STR(""), fd, NULL), -DG_USER);
}
