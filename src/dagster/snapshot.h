/* dagster/snapshot.h: a location's definitions on their way to the control plane: what
 * the code server is asked, what its answers hold, and the bodies of the two upload flows
 * (manifest, and legacy). Pure: the texts themselves stream past (dagster/squeeze.h,
 * dagster/escape.h).
 */
#ifndef DG_DAGSTER_SNAPSHOT_H
#define DG_DAGSTER_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* The text that names a repository to its code server. */
void dg_repository_origin(
	struct dg_buf *out, const char *location, const char *repository);

/* ListRepositories' answer. Slices live in the text that was parsed. */
struct dg_repository {
	char *name;
	struct dg_str code_pointer;
};
struct dg_repositories {
	struct dg_str error; /* a SerializableErrorInfo instead of the rest, or empty */
	struct dg_repository *list;
	size_t n;
	struct dg_str image; /* JSON string, empty when null: ask GetCurrentImage */
	struct dg_str executable_path; /* JSON string or empty */
	struct dg_str versions;        /* dagster_library_versions: object or empty */
	struct dg_str defs_state_info; /* object or empty */
};
/* -DG_USER when it is neither the answer nor an error. */
int dg_repositories_parse(
	struct dg_str text, struct dg_repositories *r, struct dg_err *e);
void dg_repositories_clear(struct dg_repositories *r);
/* GetCurrentImage's answer: the JSON string in it, or empty. */
struct dg_str dg_current_image(struct dg_str text);

/* The job snapshot inside ExternalJob's answer, byte for byte: its SHA-1 is its name. */
int dg_job_snapshot(struct dg_str job_data, struct dg_str *snapshot, struct dg_err *e);
/* No job data came: ERROR_TEXT is the answer's serialized_error, may be empty. Appends
 * the error that the location is given. */
void dg_job_missing_error(struct dg_buf *out, struct dg_str error_text);

/* /check_snapshot: the query, and what its answer (or that of /confirm_upload) says. */
void dg_snapshot_query(
	struct dg_buf *out, const char *type, const char *sha1, uint64_t size);
struct dg_snapshot_check {
	struct dg_str stored; /* StoredSnapshot: it is there; or empty */
	struct dg_str upload; /* SnapshotUploadData: upload it and confirm with this; or
				 empty */
	bool packed;          /* format json.gz: the zlib stream; else the plain text */
	char *url;            /* where to PUT it */
};
/* -DG_USER when it holds neither, or a format that nobody knows. */
int dg_snapshot_check_parse(
	struct dg_str text, struct dg_snapshot_check *c, struct dg_err *e);
void dg_snapshot_check_clear(struct dg_snapshot_check *c);

/* The body of /code_location_update_result. Slices that are empty become null. */
struct dg_update_repository {
	const char *name;
	struct dg_str code_pointer, stored;
};
void dg_update_manifest(struct dg_buf *out, const char *location,
	const struct dg_repositories *r, struct dg_str image,
	const struct dg_update_repository *list, size_t n, struct dg_str metadata);
void dg_update_error(struct dg_buf *out, const char *location, struct dg_str stored);

/* The answer of both flows. */
struct dg_job_selector {
	char *location, *repository, *job;
};
struct dg_update_answer {
	bool updated;
	char *message;      /* never NULL */
	bool missing_known; /* missing_job_snapshots was a list */
	struct dg_job_selector *missing;
	size_t missing_n;
};
int dg_update_answer_parse(
	struct dg_str text, struct dg_update_answer *a, struct dg_err *e);
void dg_update_answer_clear(struct dg_update_answer *a);
/* Append the error of an update that failed for good. */
void dg_update_failed_error(
	struct dg_buf *out, const struct dg_update_answer *a, bool legacy);

/* The legacy flow's entry, to be deflated: begin; per repository _repository, its text
 * through dg_escape, _repository_end; end. Or the entry of an error at once. */
void dg_entry_begin(struct dg_buf *out, const char *location, struct dg_str metadata,
	const struct dg_repositories *r, struct dg_str image);
void dg_entry_repository(
	struct dg_buf *out, bool first, const char *name, struct dg_str code_pointer);
void dg_entry_repository_end(struct dg_buf *out);
void dg_entry_end(struct dg_buf *out);
void dg_entry_error(struct dg_buf *out, const char *location, struct dg_str metadata,
	struct dg_str error);

#endif
