/* The upload saga, step by step, with the texts that it makes; and packing. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "dagster/error.h"
#include "launcher/upload.h"
#include "json/json.h"

#define LISTED                                                                           \
	"{\"__class__\": \"ListRepositoriesResponse\", \"container_image\": \"img\", "   \
	"\"dagster_library_versions\": {\"dagster\": \"1\"}, \"executable_path\": "      \
	"null, "                                                                         \
	"\"repository_code_pointer_dict\": {\"r1\": {\"p\": 1}, \"r2\": {\"p\": 2}}}"

static const char *const words[] = {"list", "image", "fetch", "error", "check", "put",
	"confirm", "update", "entry", "job", "done"};

static void
pump(struct dg_upload *u, const char *expect)
{
	auto_buf b = DG_BUF_INIT;
	enum dg_upload_do what;
	size_t i;

	dg_buf_adds(&b, "");
	while (dg_upload_next(u, &what, &i))
		dg_buf_addf(&b, "%s%s%zu", b.n ? " " : "", words[what], i);
	cr_assert_str_eq(
		b.p ? b.p : "", expect, "'%s', not '%s'", b.p ? b.p : "", expect);
}

static struct dg_packed
packed(const char *text, bool plain)
{
	struct dg_packed k = DG_PACKED_NONE;
	struct dg_pack *p;

	cr_assert_eq(dg_pack_new(&p, plain, NULL), 0);
	cr_assert_eq(dg_pack_add(p, dg_str(text), NULL), 0);
	cr_assert_eq(dg_pack_end(p, &k, NULL), 0);
	return k;
}

static void
fetched(struct dg_upload *u, size_t i, const char *text)
{
	struct dg_packed k = packed(text, !u->direct);

	dg_upload_fetched(u, i, &k);
	dg_packed_clear(&k);
}

static void
answer(struct dg_upload *u, enum dg_upload_do what, size_t i, const char *body)
{
	dg_upload_answer(u, what, i, dg_str(body));
}

#define STORED(x) "{\"stored_snapshot\": {\"s\": " x "}, \"upload_data\": null}"
#define DATA(x)                                                                          \
	"{\"format\": \"json.gz\", \"presigned_put_url\": \"http://u\", \"id\": " x "}"
#define WANTED(x) "{\"stored_snapshot\": null, \"upload_data\": " DATA(x) "}"
#define NOT_YET                                                                          \
	"{\"updated\": false, \"message\": \"m\", \"missing_job_snapshots\": "           \
	"[{\"job_name\": \"j\", \"location_name\": \"l\", \"repository_name\": "         \
	"\"r1\"}]}"
#define UPDATED "{\"updated\": true, \"message\": \"m\", \"missing_job_snapshots\": null}"

static void
begin(struct dg_upload *u, bool direct, const char *error)
{
	dg_upload_init(u, direct, DG_STR("l"), DG_STR("{\"m\": 1}"), error);
}

Test(upload, the_manifest_flow)
{
	struct dg_upload u;
	auto_buf q = DG_BUF_INIT;

	begin(&u, true, NULL);
	pump(&u, "list0");
	pump(&u, "");
	dg_upload_listed(&u, DG_STR(LISTED));
	pump(&u, "fetch0 fetch1");
	fetched(&u, 0, "one");
	fetched(&u, 0, "one"); /* nothing out of turn */
	pump(&u, "check0");
	dg_upload_query(&u.snaps[0], &q);
	cr_assert_str_eq(q.p,
		"type=repository&sha1=fe05bcdcdc4928012781a5f1a2a77cbb5398e106&size=3"
		"&formats=json.gz&formats=json");
	answer(&u, DG_UP_PUT, 0, "");
	answer(&u, DG_UP_CHECK, 0, STORED("1"));
	pump(&u, "");
	fetched(&u, 1, "two");
	pump(&u, "check1");
	answer(&u, DG_UP_CHECK, 1, WANTED("2"));
	pump(&u, "put1");
	answer(&u, DG_UP_PUT, 1, "");
	pump(&u, "confirm1");
	cr_assert_str_eq(u.snaps[1].upload, DATA("2"));
	cr_assert_str_eq(u.snaps[1].url, "http://u");
	cr_assert_not(u.snaps[1].as_text);
	answer(&u, DG_UP_CONFIRM, 1, STORED("2"));
	pump(&u, "update0");
	cr_assert_str_eq(u.result.p,
		"{\"__class__\": \"DagsterCloudCodeLocationUpdateResult\", "
		"\"location_name\": \"l\", \"manifest\": {\"__class__\": "
		"\"DagsterCloudCodeLocationManifest\", \"repositories\": "
		"[{\"__class__\": \"DagsterCloudRepositoryManifest\", \"name\": \"r1\", "
		"\"code_pointer\": {\"p\": 1}, \"stored_snapshot\": {\"s\": 1}}, "
		"{\"__class__\": \"DagsterCloudRepositoryManifest\", \"name\": \"r2\", "
		"\"code_pointer\": {\"p\": 2}, \"stored_snapshot\": {\"s\": 2}}], "
		"\"container_image\": \"img\", \"executable_path\": null, "
		"\"dagster_library_versions\": {\"dagster\": \"1\"}, "
		"\"code_location_deploy_data\": {\"m\": 1}}, \"error_snapshot\": null}");
	answer(&u, DG_UP_UPDATE, 0, NOT_YET);
	pump(&u, "fetch2");
	cr_assert_str_eq(u.snaps[2].job, "j");
	fetched(&u, 2, "job");
	pump(&u, "check2");
	answer(&u, DG_UP_CHECK, 2, STORED("3"));
	pump(&u, "update0");
	answer(&u, DG_UP_UPDATE, 0, UPDATED);
	cr_assert(u.ok);
	pump(&u, "done0");
	pump(&u, "");
	dg_upload_clear(&u);
}

/* Whatever fails becomes the location's error, once. */
Test(upload, failures_are_uploaded)
{
	static const struct {
		const char *name, *why;
		int step;
	} rows[] = {
		{"the server's error", "why", 0},
		{"no list", "the code server's list of repositories has no code pointers",
			1},
		{"neither stored nor wanted",
			"upload_data expected when stored_snapshot is None", 2},
		{"not confirmed",
			"the control plane confirmed an upload without naming it", 3},
		{"nothing missing",
			"the control plane did not take the definitions, and named no "
			"missing job "
			"snapshots",
			4},
		{"still missing",
			"Code location update failed, job definitions changed while "
			"uploading: [JobSelector(location_name='l', "
			"repository_name='r1', job_name='j')]",
			5},
		{"refused", "Code location update failed: m", 6},
		{"no message", "Code location update failed: ", 7},
		{"no answer", "the answer to an update does not say whether it took", 8},
	};

	for (size_t k = 0; k < DG_N(rows); k++) {
		struct dg_upload u;
		struct dg_packed e = packed("error", false);
		auto_buf line = DG_BUF_INIT;

		begin(&u, true, NULL);
		pump(&u, "list0");
		if (rows[k].step == 0)
			dg_upload_listed(
				&u, DG_STR("{\"__class__\": \"SerializableErrorInfo\", "
					   "\"message\": \"why\"}"));
		else if (rows[k].step == 1)
			dg_upload_listed(&u, DG_STR("{}"));
		else
			dg_upload_listed(&u,
				DG_STR("{\"container_image\": \"i\", "
				       "\"repository_code_pointer_dict\": {\"r\": {}}}"));
		if (rows[k].step >= 2) {
			pump(&u, "fetch0");
			fetched(&u, 0, "x");
			pump(&u, "check0");
			answer(&u, DG_UP_CHECK, 0,
				rows[k].step == 2 ? "{}" : WANTED("1"));
		}
		if (rows[k].step >= 3) {
			pump(&u, "put0");
			answer(&u, DG_UP_PUT, 0, "");
			pump(&u, "confirm0");
			answer(&u, DG_UP_CONFIRM, 0,
				rows[k].step == 3 ? WANTED("1") : STORED("1"));
		}
		if (rows[k].step >= 4) {
			pump(&u, "update0");
			answer(&u, DG_UP_UPDATE, 0,
				rows[k].step == 4   ? "{\"updated\": false}"
				: rows[k].step == 8 ? "{}"
						    : NOT_YET);
		}
		if (rows[k].step >= 5 && rows[k].step < 8) {
			pump(&u, "fetch1");
			fetched(&u, 1, "job");
			pump(&u, "check1");
			answer(&u, DG_UP_CHECK, 1, STORED("1"));
			pump(&u, "update0");
			answer(&u, DG_UP_UPDATE, 0,
				rows[k].step == 5 ? NOT_YET
				: rows[k].step == 6
					? "{\"updated\": false, \"message\": \"m\"}"
					: "{\"updated\": false}");
		}
		dg_error_line(dg_str(u.error), 1000, &line);
		cr_assert(strstr(line.p, rows[k].why), "%s: %s", rows[k].name, line.p);
		pump(&u, "error0");
		dg_upload_error(&u, DG_STR("{\"e\": 1}"), &e);
		pump(&u, "check0");
		answer(&u, DG_UP_CHECK, 0, STORED("9"));
		pump(&u, "update0");
		cr_assert_str_eq(u.result.p,
			"{\"__class__\": \"DagsterCloudCodeLocationUpdateResult\", "
			"\"location_name\": \"l\", \"manifest\": null, "
			"\"error_snapshot\": {\"s\": 9}}");
		answer(&u, DG_UP_UPDATE, 0, k % 2 ? UPDATED : "{\"updated\": false}");
		cr_assert_not(u.ok);
		pump(&u, "done0");
		dg_upload_fail(&u, NULL, "too late");
		dg_packed_clear(&e);
		dg_upload_clear(&u);
	}
}

Test(upload, an_error_from_the_beginning)
{
	struct dg_upload u;
	struct dg_packed e = packed("error", false);

	begin(&u, true, "{\"e\": 1}");
	pump(&u, "error0");
	dg_upload_error(&u, DG_STR("{\"e\": 1}"), &e);
	pump(&u, "check0");
	dg_upload_fail(&u, NULL, "no network"); /* nothing more can be told */
	pump(&u, "done0");
	cr_assert(strstr(u.error, "no network"));
	dg_upload_clear(&u);
}

Test(upload, the_image_may_be_asked_for)
{
	struct dg_upload u;

	begin(&u, true, NULL);
	pump(&u, "list0");
	dg_upload_image(&u, DG_STR("{}"));
	dg_upload_listed(&u, DG_STR("{\"repository_code_pointer_dict\": {}}"));
	pump(&u, "image0");
	dg_upload_listed(&u, DG_STR("{}"));
	dg_upload_image(&u, DG_STR("{\"current_image\": \"me\"}"));
	pump(&u, "update0");
	cr_assert(strstr(u.result.p, "\"container_image\": \"me\""));
	cr_assert(strstr(u.result.p, "\"repositories\": []"));
	dg_upload_clear(&u);
}

Test(upload, the_legacy_flow)
{
	struct dg_upload u;
	struct dg_packed none = DG_PACKED_NONE;
	auto_buf text = DG_BUF_INIT;

	begin(&u, false, NULL);
	pump(&u, "list0");
	dg_upload_listed(&u, DG_STR(LISTED));
	pump(&u, "fetch0"); /* one by one: they are one stream */
	dg_upload_entry_before(&u, 0, &text);
	dg_buf_adds(&text, "one\"}");
	fetched(&u, 0, "");
	pump(&u, "fetch1");
	dg_upload_entry_before(&u, 1, &text);
	dg_buf_adds(&text, "two\"}");
	fetched(&u, 1, "");
	pump(&u, "entry0");
	dg_upload_entry_end(&u, &text);
	cr_assert_str_eq(text.p,
		"{\"__class__\": \"DagsterCloudUploadWorkspaceEntry\", "
		"\"deployment_metadata\": {\"m\": 1}, \"location_name\": \"l\", "
		"\"serialized_error_info\": null, \"upload_location_data\": "
		"{\"__class__\": "
		"\"DagsterCloudUploadLocationData\", \"container_image\": \"img\", "
		"\"dagster_library_versions\": {\"dagster\": \"1\"}, "
		"\"executable_path\": null, "
		"\"upload_repository_datas\": [{\"__class__\": "
		"\"DagsterCloudUploadRepositoryData\", \"code_pointer\": {\"p\": 1}, "
		"\"repository_name\": \"r1\", \"serialized_repository_data\": \"one\"}, "
		"{\"__class__\": \"DagsterCloudUploadRepositoryData\", \"code_pointer\": "
		"{\"p\": 2}, \"repository_name\": \"r2\", "
		"\"serialized_repository_data\": "
		"\"two\"}]}}");
	cr_assert_eq(dg_json_check(dg_buf_str(&text), 100, NULL), 0);
	answer(&u, DG_UP_ENTRY, 0, NOT_YET);
	pump(&u, "fetch2");
	fetched(&u, 2, "job");
	pump(&u, "job2");
	answer(&u, DG_UP_JOB, 2, "");
	pump(&u, "entry0");
	answer(&u, DG_UP_ENTRY, 0, UPDATED);
	cr_assert(u.ok);
	pump(&u, "done0");
	dg_upload_clear(&u);

	begin(&u, false, "{\"e\": 1}");
	pump(&u, "error0");
	dg_upload_error(&u, DG_STR("{\"e\": 2}"), &none);
	pump(&u, "entry0");
	dg_buf_reset(&text);
	dg_upload_entry_before(&u, 0, &text);
	dg_upload_entry_end(&u, &text);
	cr_assert_str_eq(text.p,
		"{\"__class__\": \"DagsterCloudUploadWorkspaceEntry\", "
		"\"deployment_metadata\": {\"m\": 1}, \"location_name\": \"l\", "
		"\"serialized_error_info\": {\"e\": 2}, \"upload_location_data\": null}");
	answer(&u, DG_UP_ENTRY, 0, "{\"updated\": false}");
	pump(&u, "done0");
	dg_upload_clear(&u);
}

Test(pack, hash_deflate_and_back)
{
	struct dg_packed k = packed("hello hello hello", false);
	auto_buf b = DG_BUF_INIT;
	auto_close int fd = dg_packed_text(&k, NULL);
	unsigned char head[2];

	cr_assert_str_eq(k.sha1, "839d9cca14977875ebf2471638392aef7f0e0159");
	cr_assert_eq(k.size, 17);
	cr_assert_eq(pread(k.fd, head, 2, 0), 2);
	cr_assert_eq(head[0], 0x78);
	lseek(fd, 0, SEEK_SET);
	cr_assert_eq(dg_read_fd(fd, 100, &b, NULL), 0);
	cr_assert_str_eq(b.p, "hello hello hello");
	dg_packed_clear(&k);
	dg_packed_clear(&k);
}

Test(pack, quoted_and_plain)
{
	struct dg_pack *p;
	struct dg_packed k = DG_PACKED_NONE;
	auto_buf b = DG_BUF_INIT;

	cr_assert_eq(dg_pack_new(&p, true, NULL), 0);
	cr_assert_eq(dg_pack_add_quoted(p, DG_STR("a\"b\\c\nd\x01\xc3"), NULL), 0);
	cr_assert_eq(dg_pack_add_quoted(p, DG_STR("\xa4"), NULL), 0);
	cr_assert_eq(dg_pack_end_quoted(p, NULL), 0);
	cr_assert_eq(dg_pack_add_quoted(p, DG_STR("\xc3"), NULL), 0);
	cr_assert_eq(dg_pack_end_quoted(p, NULL), -DG_USER);
	cr_assert_eq(dg_pack_add_quoted(p, DG_STR("\xff"), NULL), -DG_USER);
	cr_assert_eq(dg_pack_end(p, &k, NULL), 0);
	lseek(k.fd, 0, SEEK_SET);
	cr_assert_eq(dg_read_fd(k.fd, 100, &b, NULL), 0);
	cr_assert_str_eq(b.p, "a\\\"b\\\\c\\nd\\u0001\\u00e4");
	dg_packed_clear(&k);
}
