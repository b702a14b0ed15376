/* launcher/upload.h: how the definitions of a location (or its error) reach the control
 * plane, as a saga. Pure: actions come out, results go in; the effects are in uploads.c.
 *
 * Both flows of the release (1.13.27):
 *   manifest  each repository: CHECK (known already?), PUT, CONFIRM; then UPDATE with the
 *             manifest; missing job snapshots the same way; UPDATE again
 *   legacy    ENTRY with all repositories inside; missing jobs; ENTRY again
 * What fails on the way is itself uploaded as the location's error, once. Repository and
 * job texts pass through as bytes; their hashes are names that the control plane knows.
 */
#ifndef DG_LAUNCHER_UPLOAD_H
#define DG_LAUNCHER_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "dagster/snapshot.h"
#include "launcher/pack.h"

enum dg_snap_kind { DG_SNAP_REPOSITORY, DG_SNAP_JOB, DG_SNAP_ERROR };

enum dg_snap_state {
	DG_SNAP_NEW,
	DG_SNAP_GETTING,
	DG_SNAP_HAVE, /* packed */
	DG_SNAP_CHECKING,
	DG_SNAP_ASKED, /* the control plane wants it */
	DG_SNAP_PUTTING,
	DG_SNAP_PUT,
	DG_SNAP_CONFIRMING,
	DG_SNAP_STORED,
};

struct dg_snap {
	enum dg_snap_kind kind;
	enum dg_snap_state state;
	char *repository, *job; /* names */
	char *pointer;          /* code pointer, JSON */
	struct dg_packed packed;
	char *upload; /* SnapshotUploadData, JSON: what to CONFIRM */
	char *url;    /* where to PUT it */
	bool as_text; /* ... inflated */
	char *stored; /* StoredSnapshot, JSON */
};

enum dg_upload_do {
	DG_UP_LIST,    /* ListRepositories */
	DG_UP_IMAGE,   /* GetCurrentImage */
	DG_UP_FETCH,   /* snap i: repository or job, from the code server */
	DG_UP_ERROR,   /* give the text of the error (dg_upload_error) */
	DG_UP_CHECK,   /* snap i */
	DG_UP_PUT,     /* snap i */
	DG_UP_CONFIRM, /* snap i */
	DG_UP_UPDATE,  /* the result: manifest or error */
	DG_UP_ENTRY,   /* legacy: all in one; its packed form is `entry` */
	DG_UP_JOB,     /* legacy: snap i */
	DG_UP_DONE,
};

enum dg_upload_state {
	DG_US_LIST,
	DG_US_LISTING,
	DG_US_IMAGE,
	DG_US_IMAGING,
	DG_US_SNAPS,
	DG_US_UPDATING,
	DG_US_ERROR, /* an error text is needed */
	DG_US_DONE,
	DG_US_OVER, /* told */
};

#define DG_UPLOAD_SNAPS_AT_ONCE 4

struct dg_upload {
	enum dg_upload_state state;
	bool direct;  /* manifest flow */
	bool failing; /* it uploads an error now */
	bool ok;      /* at the end: definitions are there */
	bool again;   /* the second update is due */
	char *location, *metadata;
	struct dg_buf listed;        /* the code server's answer, and what it says */
	struct dg_repositories list; /* slices of it */
	char *image;                 /* GetCurrentImage's, JSON; or NULL */
	struct dg_snap *snaps;
	size_t nsnaps;
	struct dg_packed entry;
	struct dg_buf result; /* body of UPDATE, the same both times */
	char *error;          /* that made it fail: SerializableErrorInfo */
};

/* METADATA: CodeDeploymentMetadata, JSON as it came. ERROR: SerializableErrorInfo to be
 * uploaded instead of definitions, or NULL. */
void dg_upload_init(struct dg_upload *u, bool direct, struct dg_str location,
	struct dg_str metadata, const char *error);
void dg_upload_clear(struct dg_upload *u);

/* The next thing to do, or false: wait for results. I: the snap that it is about. */
bool dg_upload_next(struct dg_upload *u, enum dg_upload_do *what, size_t *i);

/* Results. */
void dg_upload_listed(struct dg_upload *u, struct dg_str text);
void dg_upload_image(struct dg_upload *u, struct dg_str text);
void dg_upload_fetched(struct dg_upload *u, size_t i, struct dg_packed *take);
void dg_upload_answer(
	struct dg_upload *u, enum dg_upload_do what, size_t i, struct dg_str body);
/* Something failed; JSON: SerializableErrorInfo, or NULL and TEXT. */
void dg_upload_fail(struct dg_upload *u, const char *json, const char *text);
/* The answer to DG_UP_ERROR: the error's text as it is to be uploaded, truncated. The
 * text is packed by the caller for the manifest flow. */
void dg_upload_error(struct dg_upload *u, struct dg_str json, struct dg_packed *take);

/* Legacy: what stands before the text of snap I in the entry, and at the very end. */
void dg_upload_entry_before(const struct dg_upload *u, size_t i, struct dg_buf *out);
void dg_upload_entry_end(const struct dg_upload *u, struct dg_buf *out);
/* CHECK: the query. */
void dg_upload_query(const struct dg_snap *s, struct dg_buf *out);

#endif
