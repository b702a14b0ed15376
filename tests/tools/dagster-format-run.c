/* Runs, events and snapshots: see dagster-format.h. */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "dagster-format.h"
#include "dagster/event.h"
#include "dagster/run.h"
#include "dagster/snapshot.h"
#include "dagster/squeeze.h"
#include "json/write.h"

static const char *const statuses[] = {
	[DG_RUN_UNKNOWN] = "unknown",
	[DG_RUN_NONE] = "none",
	[DG_RUN_WAITING] = "waiting",
	[DG_RUN_BEGUN] = "begun",
	[DG_RUN_FINISHED] = "finished",
};

/* run info|argv|env|start|cancel RUN REF in-env */
int
do_run(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	auto_strv argv = {NULL, 0};
	auto_strv env = {NULL, 0};
	struct dg_jw w = dg_jw(out);
	struct dg_dagster_run run;
	int r = dg_run_parse(dg_str(a[1]), &run, e);

	if (r < 0)
		return r;
	if (strcmp(a[0], "start") == 0)
		r = dg_run_start_args(&run, dg_str(a[2]), out, e);
	else if (strcmp(a[0], "cancel") == 0)
		dg_run_cancel_args(run.id, out);
	else if (strcmp(a[0], "info") == 0) {
		dg_jw_open_object(&w);
		dg_jw_kstr(&w, "id", run.id);
		dg_jw_kstr(&w, "job", run.job);
		dg_jw_kstr(&w, "status", statuses[run.status]);
		dg_jw_kstr(&w, "location", run.location);
		dg_jw_kbool(&w, "isolated", run.isolated);
		dg_jw_close_object(&w);
	} else {
		r = dg_run_worker(&run, dg_str(a[2]), *a[3] != 0, own_variable, NULL,
			&argv, &env, e);
		if (r == 0)
			add_list(out, strcmp(a[0], "argv") == 0 ? &argv : &env);
	}
	dg_run_clear(&run);
	return r;
}

/* result TEXT: whether it succeeded, or the error of a launch that did not */
int
do_result(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_run_result res;
	int r = dg_run_result_parse(dg_str(a[0]), &res, e);

	if (r == 0 && res.success)
		dg_buf_adds(out, "success");
	else if (r == 0)
		dg_run_result_error(&res, out);
	return r;
}

/* event KIND RUN AGENT_ID LABEL ERROR; KIND is the number of an enum dg_event */
int
do_event(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	auto_buf agent = DG_BUF_INIT;
	struct dg_dagster_run run;
	int r = dg_run_parse(dg_str(a[1]), &run, e);

	if (r < 0)
		return r;
	dg_agent_name(&agent, a[2], none_if_empty(a[3]));
	dg_event_variables(out, (enum dg_event)atoi(a[0]), &run, dg_buf_str(&agent),
		dg_str(a[4]), WALL);
	dg_run_clear(&run);
	return 0;
}

/* tags agent|grpc-info|handle RUN_ID VALUE [LABEL] */
int
do_tags(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	auto_buf members = DG_BUF_INIT;

	(void)e;
	if (strcmp(a[0], "agent") == 0)
		dg_tags_agent(&members, a[2], none_if_empty(a[3]));
	else if (strcmp(a[0], "grpc-info") == 0)
		dg_tags_grpc_info(&members, a[2]);
	else
		dg_tags_server_handle(&members, a[2]);
	dg_tags_variables(out, a[1], dg_buf_str(&members));
	return 0;
}

/* records RUN_ID: the query's variables; records "" BODY: the run's status in an answer
 */
int
do_records(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	(void)e;
	if (*a[0])
		dg_run_records_variables(out, a[0]);
	else
		dg_buf_adds(out, statuses[dg_run_records_status(dg_str(a[1]))]);
	return 0;
}

/* origin LOCATION REPOSITORY */
int
do_origin(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	(void)e;
	dg_repository_origin(out, a[0], a[1]);
	return 0;
}

/* manifest LOCATION LIST_REPOSITORIES IMAGE STORED METADATA; without LIST the error's */
int
do_manifest(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_repositories r;
	struct dg_update_repository list[8];
	int rc;

	if (!*a[1]) {
		dg_update_error(out, a[0], dg_str(a[3]));
		return 0;
	}
	rc = dg_repositories_parse(dg_str(a[1]), &r, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r.n && i < DG_N(list); i++)
		list[i] = (struct dg_update_repository){
			r.list[i].name, r.list[i].code_pointer, dg_str(a[3])};
	dg_update_manifest(out, a[0], &r, dg_str(a[2]), list, r.n, dg_str(a[4]));
	dg_repositories_clear(&r);
	return 0;
}

/* entry LOCATION LIST_REPOSITORIES IMAGE TEXT METADATA; without LIST the error's (TEXT)
 */
int
do_entry(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_repositories r;
	int rc;

	if (!*a[1]) {
		dg_entry_error(out, a[0], dg_str(a[4]), dg_str(a[3]));
		return 0;
	}
	rc = dg_repositories_parse(dg_str(a[1]), &r, e);
	if (rc < 0)
		return rc;
	dg_entry_begin(out, a[0], dg_str(a[4]), &r, dg_str(a[2]));
	for (size_t i = 0; i < r.n; i++) {
		dg_entry_repository(out, i == 0, r.list[i].name, r.list[i].code_pointer);
		dg_json_add_inner(out, dg_str(a[3]));
		dg_entry_repository_end(out);
	}
	dg_entry_end(out);
	dg_repositories_clear(&r);
	return 0;
}

/* squeeze TEXT: SHA-1, bytes, hex of the zlib stream, and base64 of another one */
int
do_squeeze(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	auto_close int fd = dg_memfd("packed", e);
	struct dg_squeeze *s = dg_squeeze_new(-1, fd);
	struct dg_str text = dg_str(a[0]), packed;
	char sha1[41];
	uint64_t bytes;
	int r = 0;

	for (size_t i = 0; i < text.n && r == 0; i += 1000)
		r = dg_squeeze_feed(
			s, dg_strn(text.p + i, text.n - i < 1000 ? text.n - i : 1000), e);
	if (r == 0)
		r = dg_squeeze_end(s, sha1, &bytes, e);
	dg_squeeze_free(s);
	if (r == 0)
		r = dg_map(fd, SIZE_MAX, &packed, e);
	if (r < 0)
		return r;
	dg_buf_addf(out, "%s %llu ", sha1, (unsigned long long)bytes);
	for (size_t i = 0; i < packed.n; i++)
		dg_buf_addf(out, "%02x", (unsigned char)packed.p[i]);
	dg_unmap(packed);
	dg_buf_addc(out, ' ');
	dg_squeeze_base64(text, out);
	return 0;
}
