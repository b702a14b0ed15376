/* launcher/upload.c: see upload.h. */
#include "launcher/upload.h"

#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

static void
set(char **to, char *take)
{
	free(*to);
	*to = take;
}

static char *
dup_or_null(struct dg_str object, const char *key)
{
	struct dg_str v;

	return dg_json_member(object, key, &v) ? dg_str_dup(v) : dg_xstrdup("null");
}

void
dg_upload_init(struct dg_upload *u, bool direct, struct dg_str location,
	struct dg_str metadata, const char *error)
{
	*u = (struct dg_upload){
		.state = error ? DG_US_ERROR : DG_US_LIST,
		.direct = direct,
		.failing = error != NULL,
		.location = dg_str_dup(location),
		.metadata = dg_str_dup(metadata),
		.entry = DG_PACKED_NONE,
		.result = DG_BUF_INIT,
		.error = error ? dg_xstrdup(error) : NULL,
	};
}

static void
clear_snaps(struct dg_upload *u)
{
	for (size_t i = 0; i < u->nsnaps; i++) {
		struct dg_snap *s = &u->snaps[i];

		free(s->repository);
		free(s->job);
		free(s->pointer);
		free(s->upload);
		free(s->stored);
		dg_packed_clear(&s->packed);
	}
	free(u->snaps);
	u->snaps = NULL;
	u->nsnaps = 0;
}

void
dg_upload_clear(struct dg_upload *u)
{
	clear_snaps(u);
	free(u->location);
	free(u->metadata);
	free(u->image);
	free(u->executable);
	free(u->versions);
	free(u->error);
	free(u->why);
	dg_packed_clear(&u->entry);
	dg_buf_clear(&u->result);
}

static struct dg_snap *
add_snap(struct dg_upload *u, enum dg_snap_kind kind, char *repository, char *job)
{
	struct dg_snap *s;

	u->snaps = dg_xrealloc(u->snaps, u->nsnaps + 1, sizeof(*u->snaps));
	s = &u->snaps[u->nsnaps++];
	*s = (struct dg_snap){.kind = kind,
		.repository = repository,
		.job = job,
		.packed = DG_PACKED_NONE};
	return s;
}

void
dg_upload_fail(struct dg_upload *u, const char *json, const char *text)
{
	if (u->state >= DG_US_DONE)
		return;
	set(&u->error, json ? dg_xstrdup(json) : NULL);
	set(&u->why, text ? dg_xstrdup(text) : NULL);
	if (u->failing) { /* the error itself cannot be told: the caller logs it */
		u->state = DG_US_DONE;
		return;
	}
	u->failing = true;
	u->again = false;
	clear_snaps(u);
	dg_packed_clear(&u->entry);
	dg_buf_reset(&u->result);
	u->state = DG_US_ERROR;
}

void
dg_upload_error(struct dg_upload *u, struct dg_str json, struct dg_packed *take)
{
	struct dg_snap *s;

	if (!u->direct) {
		set(&u->error, dg_str_dup(json));
		u->entry = *take;
		u->state = DG_US_SNAPS;
	} else {
		s = add_snap(u, DG_SNAP_ERROR, NULL, NULL);
		s->packed = *take;
		s->state = DG_SNAP_HAVE;
		u->state = DG_US_SNAPS;
	}
	*take = DG_PACKED_NONE;
}

void
dg_upload_listed(struct dg_upload *u, struct dg_str text)
{
	struct dg_str cls, repos, name, pointer;
	struct dg_json_iter it;

	if (u->state != DG_US_LISTING)
		return;
	if (dg_json_member(text, "__class__", &cls) &&
		dg_json_is(cls, "SerializableErrorInfo")) {
		auto_free char *json = dg_str_dup(text);

		dg_upload_fail(u, json, NULL);
		return;
	}
	if (!dg_json_member(text, "repository_code_pointer_dict", &repos)) {
		dg_upload_fail(u, NULL,
			"the code server's list of repositories cannot be "
			"understood");
		return;
	}
	set(&u->image, dup_or_null(text, "container_image"));
	set(&u->executable, dup_or_null(text, "executable_path"));
	set(&u->versions, dup_or_null(text, "dagster_library_versions"));
	it = dg_json_iter(repos);
	while (dg_json_next_member(&it, &name, &pointer))
		add_snap(u, DG_SNAP_REPOSITORY, dg_json_dup(name), NULL)->pointer =
			dg_str_dup(pointer);
	u->state = strcmp(u->image, "null") == 0 || strcmp(u->image, "\"\"") == 0
			   ? DG_US_IMAGE
			   : DG_US_SNAPS;
}

void
dg_upload_image(struct dg_upload *u, struct dg_str text)
{
	if (u->state != DG_US_IMAGING)
		return;
	set(&u->image, dup_or_null(text, "current_image"));
	u->state = DG_US_SNAPS;
}

void
dg_upload_fetched(struct dg_upload *u, size_t i, struct dg_packed *take)
{
	if (u->state != DG_US_SNAPS || i >= u->nsnaps ||
		u->snaps[i].state != DG_SNAP_GETTING)
		return;
	u->snaps[i].packed = *take;
	*take = DG_PACKED_NONE;
	u->snaps[i].state = u->direct || u->snaps[i].kind == DG_SNAP_JOB ? DG_SNAP_HAVE
									 : DG_SNAP_STORED;
}

static bool
has(struct dg_str object, const char *key, struct dg_str *ret)
{
	return dg_json_member(object, key, ret) && !dg_json_is_null(*ret);
}

/* The answer to UPDATE or ENTRY. */
static void
updated(struct dg_upload *u, struct dg_str body)
{
	struct dg_str missing, item, message = DG_STR("null"), v;
	struct dg_json_iter it;
	bool yes = false;

	dg_json_member_bool(body, "updated", &yes);
	if (yes || (u->failing && !u->direct)) {
		u->ok = !u->failing;
		u->state = DG_US_DONE;
		return;
	}
	dg_json_member(body, "message", &message);
	if (u->again || u->failing) {
		auto_buf why = DG_BUF_INIT;

		dg_buf_adds(&why, u->direct ? "Code location update failed"
					    : "Workspace entry upload failed");
		if (has(body, "missing_job_snapshots", &missing) &&
			dg_json_count(missing)) {
			dg_buf_adds(&why, ", job definitions changed while uploading: ");
			dg_buf_addstr(&why, missing);
		} else {
			dg_buf_adds(&why, ": ");
			if (!dg_json_decode(message, &why))
				dg_buf_adds(&why, "None");
		}
		dg_upload_fail(u, NULL, why.p);
		return;
	}
	if (!has(body, "missing_job_snapshots", &missing)) {
		dg_upload_fail(u, NULL,
			"the control plane did not take the definitions, and named no "
			"missing job snapshots");
		return;
	}
	it = dg_json_iter(missing);
	while (dg_json_next_item(&it, &item)) {
		char *repo = dg_json_member_dup(item, "repository_name");
		char *job = dg_json_member_dup(item, "job_name");

		if (repo && job && dg_json_member(item, "location_name", &v)) {
			add_snap(u, DG_SNAP_JOB, repo, job);
			continue;
		}
		free(repo);
		free(job);
	}
	u->again = true;
	u->state = DG_US_SNAPS;
}

void
dg_upload_answer(
	struct dg_upload *u, enum dg_upload_do what, size_t i, struct dg_str body)
{
	struct dg_snap *s = i < u->nsnaps ? &u->snaps[i] : NULL;
	struct dg_str v;

	if (u->state == DG_US_UPDATING && (what == DG_UP_UPDATE || what == DG_UP_ENTRY)) {
		updated(u, body);
		return;
	}
	if (!s || u->state != DG_US_SNAPS)
		return;
	if (what == DG_UP_CHECK && s->state == DG_SNAP_CHECKING) {
		if (has(body, "stored_snapshot", &v)) {
			set(&s->stored, dg_str_dup(v));
			s->state = DG_SNAP_STORED;
		} else if (has(body, "upload_data", &v)) {
			set(&s->upload, dg_str_dup(v));
			s->state = DG_SNAP_ASKED;
		} else {
			dg_upload_fail(u, NULL,
				"upload_data expected when stored_snapshot is None");
		}
	} else if (what == DG_UP_PUT && s->state == DG_SNAP_PUTTING) {
		s->state = DG_SNAP_PUT;
	} else if (what == DG_UP_CONFIRM && s->state == DG_SNAP_CONFIRMING) {
		if (has(body, "stored_snapshot", &v)) {
			set(&s->stored, dg_str_dup(v));
			s->state = DG_SNAP_STORED;
		} else {
			dg_upload_fail(u, NULL,
				"the control plane confirmed an upload without naming "
				"it");
		}
	} else if (what == DG_UP_JOB && s->state == DG_SNAP_PUTTING) {
		s->state = DG_SNAP_STORED;
	}
	/* A failure has forgotten all snaps. */
	if (u->state == DG_US_SNAPS && s->state == DG_SNAP_STORED)
		dg_packed_clear(&s->packed);
}

/* The body of UPDATE. */
static void
compose(struct dg_upload *u)
{
	struct dg_buf *b = &u->result;
	bool first = true;

	dg_buf_adds(b, "{\"__class__\": \"DagsterCloudCodeLocationUpdateResult\", "
		       "\"error_snapshot\": ");
	dg_buf_adds(b, u->failing ? u->snaps[0].stored : "null");
	dg_buf_adds(b, ", \"location_name\": ");
	dg_json_add_str(b, dg_str(u->location));
	dg_buf_adds(b, ", \"manifest\": ");
	if (u->failing) {
		dg_buf_adds(b, "null}");
		return;
	}
	dg_buf_adds(b, "{\"__class__\": \"DagsterCloudCodeLocationManifest\", "
		       "\"code_location_deploy_data\": ");
	dg_buf_adds(b, u->metadata);
	dg_buf_addf(b,
		", \"container_image\": %s, \"dagster_library_versions\": %s, "
		"\"executable_path\": %s, \"repositories\": [",
		u->image, u->versions, u->executable);
	for (size_t i = 0; i < u->nsnaps; i++) {
		if (u->snaps[i].kind != DG_SNAP_REPOSITORY)
			continue;
		dg_buf_adds(b, first ? "" : ", ");
		first = false;
		dg_buf_adds(b, "{\"__class__\": \"DagsterCloudRepositoryManifest\", "
			       "\"code_pointer\": ");
		dg_buf_adds(b, u->snaps[i].pointer);
		dg_buf_adds(b, ", \"name\": ");
		dg_json_add_str(b, dg_str(u->snaps[i].repository));
		dg_buf_addf(b, ", \"stored_snapshot\": %s}", u->snaps[i].stored);
	}
	dg_buf_adds(b, "]}}");
}

/* The next step of one snap, if it has one. */
static bool
snap_next(struct dg_upload *u, struct dg_snap *s, enum dg_upload_do *what)
{
	switch (s->state) {
	case DG_SNAP_NEW:
		s->state = DG_SNAP_GETTING;
		*what = DG_UP_FETCH;
		return true;
	case DG_SNAP_HAVE:
		s->state = u->direct ? DG_SNAP_CHECKING : DG_SNAP_PUTTING;
		*what = u->direct ? DG_UP_CHECK : DG_UP_JOB;
		return true;
	case DG_SNAP_ASKED:
		s->state = DG_SNAP_PUTTING;
		*what = DG_UP_PUT;
		return true;
	case DG_SNAP_PUT:
		s->state = DG_SNAP_CONFIRMING;
		*what = DG_UP_CONFIRM;
		return true;
	default:
		return false;
	}
}

static bool
snaps_next(struct dg_upload *u, enum dg_upload_do *what, size_t *at)
{
	/* The legacy entry is one stream: its repositories come one by one. */
	size_t most = u->direct || u->again ? DG_UPLOAD_SNAPS_AT_ONCE : 1, busy = 0;

	for (size_t i = 0; i < u->nsnaps && busy < most; i++) {
		if (u->snaps[i].state == DG_SNAP_STORED)
			continue;
		busy++;
		*at = i;
		if (snap_next(u, &u->snaps[i], what))
			return true;
	}
	if (busy)
		return false;
	u->state = DG_US_UPDATING;
	*what = u->direct ? DG_UP_UPDATE : DG_UP_ENTRY;
	if (u->direct && u->result.n == 0)
		compose(u);
	return true;
}

bool
dg_upload_next(struct dg_upload *u, enum dg_upload_do *what, size_t *i)
{
	*i = 0;
	switch (u->state) {
	case DG_US_LIST:
		u->state = DG_US_LISTING;
		*what = DG_UP_LIST;
		return true;
	case DG_US_IMAGE:
		u->state = DG_US_IMAGING;
		*what = DG_UP_IMAGE;
		return true;
	case DG_US_SNAPS:
		return snaps_next(u, what, i);
	case DG_US_ERROR:
		u->state = DG_US_LISTING; /* until dg_upload_error() */
		*what = DG_UP_ERROR;
		return true;
	case DG_US_DONE:
		u->state = DG_US_OVER;
		*what = DG_UP_DONE;
		return true;
	default:
		return false;
	}
}

bool
dg_upload_job_slice(struct dg_str job, struct dg_str *ret)
{
	return dg_json_member(job, "pipeline_snapshot", ret) &&
	       dg_json_type(*ret) == DG_JSON_OBJECT;
}

void
dg_upload_entry_before(const struct dg_upload *u, size_t i, struct dg_buf *out)
{
	if (i == 0) {
		dg_buf_addf(out,
			"{\"__class__\": \"DagsterCloudUploadWorkspaceEntry\", "
			"\"deployment_metadata\": %s, \"location_name\": ",
			u->metadata);
		dg_json_add_str(out, dg_str(u->location));
		dg_buf_addf(out,
			", \"serialized_error_info\": %s, "
			"\"upload_location_data\": ",
			u->failing ? u->error : "null");
		if (u->failing) {
			dg_buf_adds(out, "null}");
			return;
		}
		dg_buf_addf(out,
			"{\"__class__\": \"DagsterCloudUploadLocationData\", "
			"\"container_image\": %s, \"dagster_library_versions\": %s, "
			"\"executable_path\": %s, \"upload_repository_datas\": [",
			u->image, u->versions, u->executable);
	}
	if (i >= u->nsnaps)
		return;
	dg_buf_addf(out,
		"%s{\"__class__\": \"DagsterCloudUploadRepositoryData\", "
		"\"code_pointer\": %s, \"repository_name\": ",
		i ? ", " : "", u->snaps[i].pointer);
	dg_json_add_str(out, dg_str(u->snaps[i].repository));
	dg_buf_adds(out, ", \"serialized_repository_data\": \"");
}

void
dg_upload_entry_end(const struct dg_upload *u, struct dg_buf *out)
{
	if (!u->failing)
		dg_buf_adds(out, "]}}");
}

void
dg_upload_query(const struct dg_snap *s, struct dg_buf *out)
{
	static const char *const kinds[] = {"repository", "job", "error"};

	dg_buf_addf(out, "type=%s&sha1=%s&size=%llu&formats=json.gz&formats=json",
		kinds[s->kind], s->packed.sha1, (unsigned long long)s->packed.size);
}
