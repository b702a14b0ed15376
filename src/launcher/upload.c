/* launcher/upload.c: see upload.h. */
#include "launcher/upload.h"

#include <stdlib.h>

#include "base/mem.h"
#include "dagster/error.h"

static void
set(char **to, char *take)
{
	free(*to);
	*to = take;
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
		free(s->url);
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
	dg_repositories_clear(&u->list);
	dg_buf_clear(&u->listed);
	free(u->error);
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
	auto_buf error = DG_BUF_INIT;

	if (u->state >= DG_US_DONE)
		return;
	if (!json) {
		dg_error_add(&error, DG_CLS_EXCEPTION, dg_str(text), DG_STR_NULL);
		json = error.p;
	}
	set(&u->error, dg_xstrdup(json));
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
	struct dg_err e = {0};

	if (u->state != DG_US_LISTING)
		return;
	dg_buf_addstr(&u->listed, text);
	if (dg_repositories_parse(dg_buf_str(&u->listed), &u->list, &e) < 0) {
		dg_upload_fail(u, NULL, e.what);
		return;
	}
	if (u->list.error.n) {
		auto_free char *json = dg_str_dup(u->list.error);

		dg_upload_fail(u, json, NULL);
		return;
	}
	for (size_t i = 0; i < u->list.n; i++)
		add_snap(u, DG_SNAP_REPOSITORY, dg_xstrdup(u->list.list[i].name), NULL)
			->pointer = dg_str_dup(u->list.list[i].code_pointer);
	u->state = u->list.image.n ? DG_US_SNAPS : DG_US_IMAGE;
}

void
dg_upload_image(struct dg_upload *u, struct dg_str text)
{
	struct dg_str image = dg_current_image(text);

	if (u->state != DG_US_IMAGING)
		return;
	set(&u->image, image.n ? dg_str_dup(image) : NULL);
	u->state = DG_US_SNAPS;
}

static struct dg_str
image(const struct dg_upload *u)
{
	return u->image ? dg_str(u->image) : DG_STR_NULL;
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

/* The answer to UPDATE or ENTRY. */
static void
updated(struct dg_upload *u, struct dg_str body)
{
	auto_buf error = DG_BUF_INIT;
	struct dg_update_answer a;
	struct dg_err e = {0};

	if (dg_update_answer_parse(body, &a, &e) < 0) {
		dg_upload_fail(u, NULL, e.what);
		return;
	}
	if (a.updated || (u->failing && !u->direct)) {
		u->ok = !u->failing;
		u->state = DG_US_DONE;
	} else if (u->again || u->failing) {
		dg_update_failed_error(&error, &a, !u->direct);
		dg_upload_fail(u, error.p, NULL);
	} else if (!a.missing_known) {
		dg_upload_fail(u, NULL,
			"the control plane did not take the definitions, and named no "
			"missing job snapshots");
	} else {
		for (size_t i = 0; i < a.missing_n; i++)
			add_snap(u, DG_SNAP_JOB, TAKE_PTR(a.missing[i].repository),
				TAKE_PTR(a.missing[i].job));
		u->again = true;
		u->state = DG_US_SNAPS;
	}
	dg_update_answer_clear(&a);
}

/* The answer to CHECK or CONFIRM. */
static void
checked(struct dg_upload *u, struct dg_snap *s, bool confirmed, struct dg_str body)
{
	struct dg_snapshot_check c;
	struct dg_err e = {0};

	if (dg_snapshot_check_parse(body, &c, &e) < 0) {
		dg_upload_fail(u, NULL, e.what);
		return;
	}
	if (c.stored.n) {
		set(&s->stored, dg_str_dup(c.stored));
		s->state = DG_SNAP_STORED;
	} else if (confirmed) {
		dg_upload_fail(u, NULL,
			"the control plane confirmed an upload without naming it");
	} else {
		set(&s->upload, dg_str_dup(c.upload));
		set(&s->url, TAKE_PTR(c.url));
		s->as_text = !c.packed;
		s->state = DG_SNAP_ASKED;
	}
	dg_snapshot_check_clear(&c);
}

void
dg_upload_answer(
	struct dg_upload *u, enum dg_upload_do what, size_t i, struct dg_str body)
{
	struct dg_snap *s = i < u->nsnaps ? &u->snaps[i] : NULL;

	if (u->state == DG_US_UPDATING && (what == DG_UP_UPDATE || what == DG_UP_ENTRY)) {
		updated(u, body);
		return;
	}
	if (!s || u->state != DG_US_SNAPS)
		return;
	if (what == DG_UP_CHECK && s->state == DG_SNAP_CHECKING)
		checked(u, s, false, body);
	else if (what == DG_UP_PUT && s->state == DG_SNAP_PUTTING)
		s->state = DG_SNAP_PUT;
	else if (what == DG_UP_CONFIRM && s->state == DG_SNAP_CONFIRMING)
		checked(u, s, true, body);
	else if (what == DG_UP_JOB && s->state == DG_SNAP_PUTTING)
		s->state = DG_SNAP_STORED;
	/* After a failure there are no snaps any more. */
	if (u->state == DG_US_SNAPS && s->state == DG_SNAP_STORED)
		dg_packed_clear(&s->packed);
}

/* The body of UPDATE. */
static void
compose(struct dg_upload *u)
{
	auto_free struct dg_update_repository *list = NULL;

	if (u->failing) {
		dg_update_error(&u->result, u->location, dg_str(u->snaps[0].stored));
		return;
	}
	/* The first snaps are the repositories, in the list's order. */
	list = dg_xcalloc(u->list.n + 1, sizeof(*list));
	for (size_t i = 0; i < u->list.n; i++)
		list[i] = (struct dg_update_repository){.name = u->snaps[i].repository,
			.code_pointer = dg_str(u->snaps[i].pointer),
			.stored = dg_str(u->snaps[i].stored)};
	dg_update_manifest(&u->result, u->location, &u->list, image(u), list, u->list.n,
		dg_str(u->metadata));
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

void
dg_upload_entry_before(const struct dg_upload *u, size_t i, struct dg_buf *out)
{
	struct dg_str metadata = dg_str(u->metadata);

	if (u->failing) {
		dg_entry_error(out, u->location, metadata, dg_str(u->error));
		return;
	}
	if (i == 0)
		dg_entry_begin(out, u->location, metadata, &u->list, image(u));
	if (i < u->list.n)
		dg_entry_repository(
			out, i == 0, u->snaps[i].repository, dg_str(u->snaps[i].pointer));
}

void
dg_upload_entry_end(const struct dg_upload *u, struct dg_buf *out)
{
	if (!u->failing)
		dg_entry_end(out);
}

void
dg_upload_query(const struct dg_snap *s, struct dg_buf *out)
{
	static const char *const kinds[] = {"repository", "job", "error"};

	dg_snapshot_query(out, kinds[s->kind], s->packed.sha1, s->packed.size);
}
