/* dagster/snapshot.c: see snapshot.h. */
#include "dagster/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dagster/error.h"
#include "json/json.h"
#include "json/write.h"

void
dg_repository_origin(struct dg_buf *out, const char *location, const char *repository)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "ExternalRepositoryOrigin");
	dg_jw_key(&w, "repository_location_origin");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "RegisteredRepositoryLocationOrigin");
	dg_jw_kstr(&w, "location_name", location);
	dg_jw_close_object(&w);
	dg_jw_kstr(&w, "repository_name", repository);
	dg_jw_close_object(&w);
}

/* The member when it is of TYPE; an empty string counts as absent. */
static struct dg_str
member(struct dg_str object, const char *key, enum dg_json_type type)
{
	struct dg_str v;

	if (!dg_json_member(object, key, &v) || dg_json_type(v) != type ||
		(type == DG_JSON_STRING && v.n == 2))
		return DG_STR_NULL;
	return v;
}

void
dg_repositories_clear(struct dg_repositories *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->list[i].name);
	free(r->list);
	*r = (struct dg_repositories){0};
}

int
dg_repositories_parse(struct dg_str text, struct dg_repositories *r, struct dg_err *e)
{
	struct dg_str pointers, key, value;
	struct dg_json_iter it;
	int rc = dg_json_check(text, DG_JSON_DEPTH_MAX, e);

	*r = (struct dg_repositories){0};
	if (rc < 0)
		return dg_err_wrap(e, "the code server's list of repositories");
	if (dg_error_is(text)) {
		r->error = dg_json_trim(text);
		return 0;
	}
	if (!dg_json_member(text, "repository_code_pointer_dict", &pointers) ||
		dg_json_type(pointers) != DG_JSON_OBJECT)
		return dg_fail(e, DG_USER, 0,
			"the code server's list of repositories has no code pointers");
	r->list = dg_xcalloc(dg_json_count(pointers) + 1, sizeof *r->list);
	for (it = dg_json_iter(pointers); dg_json_next_member(&it, &key, &value);)
		r->list[r->n++] = (struct dg_repository){dg_json_dup(key), value};
	r->image = member(text, "container_image", DG_JSON_STRING);
	r->executable_path = member(text, "executable_path", DG_JSON_STRING);
	r->versions = member(text, "dagster_library_versions", DG_JSON_OBJECT);
	r->defs_state_info = member(text, "defs_state_info", DG_JSON_OBJECT);
	return 0;
}

struct dg_str
dg_current_image(struct dg_str text)
{
	if (dg_json_check(text, DG_JSON_DEPTH_MAX, NULL) < 0)
		return DG_STR_NULL;
	return member(text, "current_image", DG_JSON_STRING);
}

int
dg_job_snapshot(struct dg_str job_data, struct dg_str *snapshot, struct dg_err *e)
{
	struct dg_str cls;
	int rc = dg_json_check(job_data, DG_JSON_DEPTH_MAX, e);

	if (rc < 0)
		return dg_err_wrap(e, "the job's data");
	if (!dg_json_member(job_data, "__class__", &cls) ||
		!dg_json_is(cls, "ExternalPipelineData") ||
		!dg_json_member(job_data, "pipeline_snapshot", snapshot) ||
		dg_json_type(*snapshot) != DG_JSON_OBJECT)
		return dg_fail(e, DG_USER, 0,
			"Passed in string does not meet expectations for a serialized "
			"JobDataSnap");
	return 0;
}

void
dg_job_missing_error(struct dg_buf *out, struct dg_str error_text)
{
	auto_buf text = DG_BUF_INIT;

	dg_buf_adds(&text, "Error fetching job data in code server:\n");
	if (error_text.n && dg_json_check(error_text, DG_JSON_DEPTH_MAX, NULL) == 0)
		dg_error_text(error_text, &text);
	else
		dg_buf_adds(&text, "no captured error");
	dg_error_add(out, DG_CLS_EXCEPTION, dg_buf_str(&text), DG_STR_NULL);
}

void
dg_snapshot_query(struct dg_buf *out, const char *type, const char *sha1, uint64_t size)
{
	dg_buf_addf(out, "type=%s&sha1=%s&size=%" PRIu64 "&formats=json.gz&formats=json",
		type, sha1, size);
}

void
dg_snapshot_check_clear(struct dg_snapshot_check *c)
{
	free(c->url);
	*c = (struct dg_snapshot_check){0};
}

int
dg_snapshot_check_parse(struct dg_str text, struct dg_snapshot_check *c, struct dg_err *e)
{
	struct dg_str format;
	int rc = dg_json_check(text, DG_JSON_DEPTH_MAX, e);

	*c = (struct dg_snapshot_check){0};
	if (rc < 0)
		return dg_err_wrap(e, "the answer about a snapshot");
	c->stored = member(text, "stored_snapshot", DG_JSON_OBJECT);
	if (c->stored.n)
		return 0;
	c->upload = member(text, "upload_data", DG_JSON_OBJECT);
	if (!c->upload.n)
		return dg_fail(e, DG_USER, 0,
			"upload_data expected when stored_snapshot is None");
	c->url = dg_json_member_dup(c->upload, "presigned_put_url");
	format = member(c->upload, "format", DG_JSON_STRING);
	c->packed = dg_json_is(format, "json.gz");
	if (c->url && *c->url && (c->packed || dg_json_is(format, "json")))
		return 0;
	rc = c->url && *c->url
		     ? dg_fail(e, DG_USER, 0,
			       "a snapshot is wanted in the unknown format %.*s",
			       DG_FMT(format))
		     : dg_fail(e, DG_USER, 0, "upload_data names no presigned_put_url");
	dg_snapshot_check_clear(c);
	return rc;
}

static struct dg_str
or_null(struct dg_str json)
{
	return json.n ? json : DG_STR("null");
}

static void
update_begin(struct dg_jw *w, const char *location)
{
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__class__", "DagsterCloudCodeLocationUpdateResult");
	dg_jw_kstr(w, "location_name", location);
}

void
dg_update_manifest(struct dg_buf *out, const char *location,
	const struct dg_repositories *r, struct dg_str image,
	const struct dg_update_repository *list, size_t n, struct dg_str metadata)
{
	struct dg_jw w = dg_jw(out);

	update_begin(&w, location);
	dg_jw_key(&w, "manifest");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "DagsterCloudCodeLocationManifest");
	dg_jw_key(&w, "repositories");
	dg_jw_open_array(&w);
	for (size_t i = 0; i < n; i++) {
		dg_jw_open_object(&w);
		dg_jw_kstr(&w, "__class__", "DagsterCloudRepositoryManifest");
		dg_jw_kstr(&w, "name", list[i].name);
		dg_jw_kraw(&w, "code_pointer", list[i].code_pointer);
		dg_jw_kraw(&w, "stored_snapshot", list[i].stored);
		dg_jw_close_object(&w);
	}
	dg_jw_close_array(&w);
	dg_jw_kraw(&w, "container_image", or_null(r->image.n ? r->image : image));
	dg_jw_kraw(&w, "executable_path", or_null(r->executable_path));
	dg_jw_kraw(&w, "dagster_library_versions", or_null(r->versions));
	dg_jw_kraw(&w, "code_location_deploy_data", metadata);
	dg_jw_close_object(&w);
	dg_jw_knull(&w, "error_snapshot");
	dg_jw_close_object(&w);
}

void
dg_update_error(struct dg_buf *out, const char *location, struct dg_str stored)
{
	struct dg_jw w = dg_jw(out);

	update_begin(&w, location);
	dg_jw_knull(&w, "manifest");
	dg_jw_kraw(&w, "error_snapshot", stored);
	dg_jw_close_object(&w);
}

void
dg_update_answer_clear(struct dg_update_answer *a)
{
	for (size_t i = 0; i < a->missing_n; i++) {
		free(a->missing[i].location);
		free(a->missing[i].repository);
		free(a->missing[i].job);
	}
	free(a->missing);
	free(a->message);
	*a = (struct dg_update_answer){0};
}

static int
read_missing(struct dg_str list, struct dg_update_answer *a, struct dg_err *e)
{
	struct dg_json_iter it = dg_json_iter(list);
	struct dg_str item;

	a->missing_known = true;
	a->missing = dg_xcalloc(dg_json_count(list) + 1, sizeof *a->missing);
	while (dg_json_next_item(&it, &item)) {
		struct dg_job_selector *s = &a->missing[a->missing_n++];

		s->location = dg_json_member_dup(item, "location_name");
		s->repository = dg_json_member_dup(item, "repository_name");
		s->job = dg_json_member_dup(item, "job_name");
		if (!s->location || !s->repository || !s->job)
			return dg_fail(e, DG_USER, 0,
				"missing_job_snapshots holds something that names no "
				"job");
	}
	return 0;
}

int
dg_update_answer_parse(struct dg_str text, struct dg_update_answer *a, struct dg_err *e)
{
	struct dg_str list;
	int rc = dg_json_check(text, DG_JSON_DEPTH_MAX, e);

	*a = (struct dg_update_answer){0};
	if (rc < 0)
		return dg_err_wrap(e, "the answer to an update");
	if (!dg_json_member_bool(text, "updated", &a->updated))
		return dg_fail(e, DG_USER, 0,
			"the answer to an update does not say whether it took");
	a->message = dg_json_member_dup(text, "message");
	if (!a->message)
		a->message = dg_xstrdup("");
	list = member(text, "missing_job_snapshots", DG_JSON_ARRAY);
	rc = list.n ? read_missing(list, a, e) : 0;
	if (rc < 0)
		dg_update_answer_clear(a);
	return rc;
}

void
dg_update_failed_error(struct dg_buf *out, const struct dg_update_answer *a, bool legacy)
{
	auto_buf text = DG_BUF_INIT;

	dg_buf_adds(&text,
		legacy ? "Workspace entry upload failed" : "Code location update failed");
	if (!a->missing_n)
		dg_buf_addf(&text, ": %s", a->message);
	else {
		dg_buf_adds(&text, ", job definitions changed while uploading: [");
		for (size_t i = 0; i < a->missing_n; i++)
			dg_buf_addf(&text,
				"%sJobSelector(location_name='%s', repository_name='%s', "
				"job_name='%s')",
				i ? ", " : "", a->missing[i].location,
				a->missing[i].repository, a->missing[i].job);
		dg_buf_addc(&text, ']');
	}
	dg_error_add(out, DG_CLS_EXCEPTION, dg_buf_str(&text), DG_STR_NULL);
}

void
dg_entry_begin(struct dg_buf *out, const char *location, struct dg_str metadata,
	const struct dg_repositories *r, struct dg_str image)
{
	dg_buf_adds(out, "{\"__class__\": \"DagsterCloudUploadWorkspaceEntry\", "
			 "\"deployment_metadata\": ");
	dg_buf_addstr(out, metadata);
	dg_buf_adds(out, ", \"location_name\": ");
	dg_json_add_str(out, dg_str(location));
	dg_buf_adds(out, ", \"serialized_error_info\": null, \"upload_location_data\": "
			 "{\"__class__\": \"DagsterCloudUploadLocationData\", "
			 "\"container_image\": ");
	dg_buf_addstr(out, or_null(r->image.n ? r->image : image));
	dg_buf_adds(out, ", \"dagster_library_versions\": ");
	dg_buf_addstr(out, or_null(r->versions));
	dg_buf_adds(out, ", \"executable_path\": ");
	dg_buf_addstr(out, or_null(r->executable_path));
	dg_buf_adds(out, ", \"upload_repository_datas\": [");
}

void
dg_entry_repository(
	struct dg_buf *out, bool first, const char *name, struct dg_str code_pointer)
{
	dg_buf_addf(out,
		"%s{\"__class__\": \"DagsterCloudUploadRepositoryData\", "
		"\"code_pointer\": ",
		first ? "" : ", ");
	dg_buf_addstr(out, code_pointer);
	dg_buf_adds(out, ", \"repository_name\": ");
	dg_json_add_str(out, dg_str(name));
	dg_buf_adds(out, ", \"serialized_repository_data\": \"");
}

void
dg_entry_repository_end(struct dg_buf *out)
{
	dg_buf_adds(out, "\"}");
}

void
dg_entry_end(struct dg_buf *out)
{
	dg_buf_adds(out, "]}}");
}

void
dg_entry_error(struct dg_buf *out, const char *location, struct dg_str metadata,
	struct dg_str error)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "DagsterCloudUploadWorkspaceEntry");
	dg_jw_kraw(&w, "deployment_metadata", metadata);
	dg_jw_kstr(&w, "location_name", location);
	dg_jw_kraw(&w, "serialized_error_info", error);
	dg_jw_knull(&w, "upload_location_data");
	dg_jw_close_object(&w);
}
