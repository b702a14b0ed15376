/* daglet/call.h: what a launcher can ask of the control plane, as one table.
 *
 * CALL{op, deployment, subject, args, key, body} goes from launcher to ledger to
 * reporter, CALL_DONE{cls, http, text, body} the same way back. The reporter knows no
 * sagas: it makes the call, tries again as the row allows, and says what came of it.
 *
 * Columns
 *   op        name
 *   how       GRAPHQL (body: the variables, a JSON object), GET (args: query string),
 *             JSON (PUT, body: JSON), MULTIPART (PUT, body: text, deflated on the way),
 *             PUT (args: presigned URL, body: raw bytes; no header of ours goes along)
 *   target    GraphQL: which document (cloud/documents.c); REST: path; MULTIPART: path;
 *             PUT: nothing
 *   file      name of the multipart's only part
 *   ordered   calls of one (deployment, subject) are made one after the other
 *   again     may be sent twice without harm (a read time-out is tried again); KEY: only
 *             because an Idempotency-Key goes along (CALL.key, the same at every try)
 *   patience  seconds that it is tried at least, whatever the number of retries
 *
 * CALL_DONE.body: GRAPHQL gives the whole answer object ({"data": ...}); the rest the
 * answer as it came. CALL_DONE.cls: 0; DG_TRANSPORT (gave up trying); DG_DENIED (401,
 * 403); DG_LIMIT (413, answer too large); DG_USER (GraphQL errors, any other refusal).
 * Every call is deployment-scoped but AGENTS. Sources: the calls of release 1.13.27.
 */
#ifndef DAGLET_CALL_H
#define DAGLET_CALL_H

#include <stdbool.h>

enum dg_call_how {
	DG_CALL_GRAPHQL,
	DG_CALL_GET,
	DG_CALL_JSON,
	DG_CALL_MULTIPART,
	DG_CALL_PUT,
};
enum dg_call_again { DG_AGAIN_NO, DG_AGAIN_YES, DG_AGAIN_KEY };

/* clang-format off */
#define DG_CALL_TABLE(X) \
/*  op               how        target                           file                     ordered  again  patience */ \
X(STORE_EVENT,       GRAPHQL,   NULL,                            NULL,                    true,    KEY,   600) \
X(ADD_RUN_TAGS,      GRAPHQL,   NULL,                            NULL,                    true,    YES,   600) \
X(GET_RUN_RECORDS,   GRAPHQL,   NULL,                            NULL,                    false,   YES,   0)   \
X(GET_RUNS,          GRAPHQL,   NULL,                            NULL,                    false,   YES,   0)   \
X(CHECK_WORKSPACE,   GRAPHQL,   NULL,                            NULL,                    false,   YES,   0)   \
X(AGENTS,            GRAPHQL,   NULL,                            NULL,                    false,   YES,   0)   \
X(CHECK_SNAPSHOT,    GET,       "/check_snapshot",               NULL,                    false,   YES,   60)  \
X(PUT_SNAPSHOT,      PUT,       NULL,                            NULL,                    false,   YES,   60)  \
X(CONFIRM_UPLOAD,    JSON,      "/confirm_upload",               NULL,                    false,   YES,   60)  \
X(UPDATE_RESULT,     JSON,      "/code_location_update_result",  NULL,                    false,   YES,   60)  \
X(UPLOAD_ENTRY,      MULTIPART, "/upload_workspace_entry",       "workspace_entry.tmp",   false,   YES,   60)  \
X(UPLOAD_JOB,        MULTIPART, "/upload_job_snapshot",          "job.tmp",               false,   YES,   60)
/* clang-format on */

enum dg_call_op {
#define X(op, ...) DG_CALL_OP_##op,
	DG_CALL_TABLE(X)
#undef X
		DG_CALL_OP_COUNT
};

struct dg_call_row {
	const char *name;
	enum dg_call_how how;
	const char *target, *file;
	bool ordered;
	enum dg_call_again again;
	unsigned patience;
};

/* NULL for an op that is none. In src/cloud. */
const struct dg_call_row *dg_call_row(unsigned op);

#endif
