/* Requests, answers, errors, servers and the workspace: see dagster-format.h. */
#include "dagster-format.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dagster/answer.h"
#include "dagster/args.h"
#include "dagster/code_server.h"
#include "dagster/error.h"
#include "dagster/escape.h"
#include "dagster/instance_ref.h"
#include "dagster/workspace.h"
#include "json/write.h"

static const struct dg_grpc_timeouts timeouts = {60, 180, 61, 62};
static const struct dg_telemetry telemetry = {
	1700000000100000, 1700000000200000, 1700000000300000};

static enum dg_request_kind
kind(const char *name)
{
	return dg_request_kind(name, strlen(name));
}

/* ref user|deployment YAML HOME DEPLOYMENT [TOKEN_ENV] */
int
do_ref(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_instance_ref *ref = NULL;
	int r = dg_instance_ref_new(&ref, dg_str(a[1]), a[2], none_if_empty(a[4]), e);

	if (r == 0)
		r = dg_instance_ref_text(ref,
			strcmp(a[0], "user") == 0 ? DG_REF_USER_CODE : DG_REF_DEPLOYMENT,
			a[3], out, e);
	dg_instance_ref_free(ref);
	return r;
}

/* compose KIND BODY REF */
int
do_compose(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_str args;
	int r = dg_args(dg_str(a[1]), &args, e);

	return r < 0 ? r
		     : dg_args_compose(kind(a[0]), args, dg_str(a[2]), &timeouts, out, e);
}

/* deadline KIND BODY */
int
do_deadline(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_str args;
	int r = dg_args(dg_str(a[1]), &args, e);

	if (r == 0)
		dg_buf_addf(out, "%lld",
			(long long)dg_args_deadline(kind(a[0]), args, &timeouts));
	return r;
}

/* location KIND BODY */
int
do_location(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_str args;
	int r = dg_args(dg_str(a[1]), &args, e);

	if (r == 0 && !dg_args_location(args, dg_request_row(kind(a[0]))->where, out))
		return dg_fail(e, DG_USER, 0, "no location");
	return r;
}

/* answer success|grpc|error|unknown TEXT API REQUEST_ID: with its envelope */
int
do_answer(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_str text = dg_str(a[1]);

	(void)e;
	dg_answer_envelope_begin(out, dg_str(a[2]), dg_str(a[3]));
	if (strcmp(a[0], "success") == 0)
		dg_answer_success(out, &telemetry);
	else if (strcmp(a[0], "error") == 0)
		dg_answer_error(out, text, &telemetry);
	else if (strcmp(a[0], "unknown") == 0)
		dg_answer_unknown(out, text, &telemetry);
	else {
		struct dg_escape s = DG_ESCAPE_INIT;

		dg_answer_grpc_begin(out);
		for (size_t i = 0; i < text.n; i++) /* one byte at a time */
			if (dg_escape_feed(&s, dg_strn(text.p + i, 1), out, e) < 0)
				return -e->cls;
		if (dg_escape_end(&s, e) < 0)
			return -e->cls;
		dg_answer_grpc_end(out, &telemetry);
	}
	dg_buf_adds(out, DG_ANSWER_ENVELOPE_END);
	return 0;
}

/* error KIND ...: one of the errors that are known by their words */
int
do_error(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	const char *what = a[0];

	if (strcmp(what, "unreachable") == 0)
		dg_error_add_unreachable(out, none_if_empty(a[1]), atoll(a[2]),
			strcmp(a[3], "sensor") == 0, dg_str(a[4]));
	else if (strcmp(what, "no-server") == 0)
		dg_error_add_no_server(out, dg_str(a[1]), dg_str(a[2]));
	else if (strcmp(what, "server-failed") == 0)
		dg_error_add_server_failed(out, dg_str(a[1]), dg_str(a[2]), dg_str(a[3]));
	else if (strcmp(what, "not-allowed") == 0)
		dg_error_add_not_allowed(
			out, dg_str(a[1]), dg_str(a[2]), strcmp(a[3], "branch") == 0);
	else if (strcmp(what, "deprecated") == 0)
		dg_error_add_deprecated(out, a[1]);
	else if (strcmp(what, "plain") == 0)
		dg_error_add_plain(out, dg_str(a[1]));
	else if (strcmp(what, "class") == 0)
		dg_error_add(out, a[1], dg_str(a[2]), dg_str(a[3]));
	else if (strcmp(what, "timestamped") == 0)
		dg_error_add_timestamped(out, dg_str(a[1]), atoll(a[2]));
	else if (strcmp(what, "truncate") == 0)
		dg_error_truncate(dg_str(a[1]), strtoul(a[2], NULL, 10), atoi(a[3]), out);
	else if (strcmp(what, "text") == 0)
		dg_error_text(dg_str(a[1]), out);
	else if (strcmp(what, "line") == 0)
		dg_error_line(dg_str(a[1]), strtoul(a[2], NULL, 10), out);
	else
		return dg_fail(e, DG_BUG, 0, "no such error");
	return 0;
}

void
add_list(struct dg_buf *out, const struct dg_strv *v)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_array(&w);
	for (size_t i = 0; i < v->n; i++)
		dg_jw_str(&w, v->v[i]);
	dg_jw_close_array(&w);
}

/* server argv|env METADATA LOCATION REF metrics */
int
do_server(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_metadata m;
	auto_strv v = {NULL, 0};
	int r = dg_metadata_parse(dg_str(a[1]), &m, e);

	if (r < 0)
		return r;
	if (strcmp(a[0], "argv") == 0)
		dg_code_server_argv(&m, *a[4] != 0, &v);
	else
		dg_code_server_env(&m, a[2], dg_str(a[3]), &v);
	add_list(out, &v);
	dg_metadata_clear(&m);
	return 0;
}

const char *
own_variable(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "PRESENT") == 0 ? "here" : NULL;
}

/* context CONTEXT */
int
do_context(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	auto_strv v = {NULL, 0};
	int r = dg_context_env_vars(dg_str(a[0]), own_variable, NULL, &v, e);

	if (r == 0)
		add_list(out, &v);
	return r;
}

/* workspace BODY */
int
do_workspace(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_workspace *ws;
	struct dg_jw w = dg_jw(out);
	int r = dg_workspace_parse(dg_str(a[0]), &ws, e);

	if (r < 0)
		return r;
	dg_jw_open_array(&w);
	for (size_t i = 0; i < ws->entry_n; i++) {
		const struct dg_workspace_entry *en = &ws->entries[i];

		dg_jw_open_object(&w);
		dg_jw_kstr(&w, "deployment", ws->deployments[en->deployment].name);
		dg_jw_kbool(&w, "branch", ws->deployments[en->deployment].branch);
		dg_jw_kstr(&w, "location", en->location);
		dg_jw_kbool(&w, "outdated", en->outdated);
		dg_jw_kbool(&w, "load_error", en->load_error);
		dg_jw_kdouble(&w, "timestamp", en->timestamp);
		dg_jw_kstr(&w, "metadata", en->metadata.text);
		dg_jw_kstr(&w, "error", en->error.cls ? en->error.what : NULL);
		dg_jw_close_object(&w);
	}
	dg_jw_close_array(&w);
	dg_workspace_free(ws);
	return 0;
}
