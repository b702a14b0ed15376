/* Composes and reads Dagster's formats for tests/integration/test_dagster_formats.py.
 * Each line of input is a JSON array ["command", "argument", ...]; each line of output is
 * {"out": "text"}, or {"error": "text", "class": "name"}. */
#include "dagster-format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

static const struct {
	const char *name;
	command_fn *fn;
} commands[] = {
	{"answer", do_answer},
	{"compose", do_compose},
	{"context", do_context},
	{"deadline", do_deadline},
	{"entry", do_entry},
	{"error", do_error},
	{"event", do_event},
	{"heartbeat", do_heartbeat},
	{"location", do_location},
	{"manifest", do_manifest},
	{"origin", do_origin},
	{"records", do_records},
	{"ref", do_ref},
	{"result", do_result},
	{"run", do_run},
	{"server", do_server},
	{"server-metrics", do_server_metrics},
	{"squeeze", do_squeeze},
	{"tags", do_tags},
	{"workspace", do_workspace},
};

static int
run(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	for (size_t i = 0; i < DG_N(commands); i++)
		if (strcmp(commands[i].name, a[0]) == 0)
			return commands[i].fn(a + 1, out, e);
	return dg_fail(e, DG_BUG, 0, "no such command");
}

static void
line(struct dg_str text)
{
	char *a[ARGS_MAX + 1];
	struct dg_json_iter it = dg_json_iter(dg_json_trim(text));
	auto_buf out = DG_BUF_INIT;
	auto_buf answer = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&answer);
	struct dg_err e = {0};
	struct dg_str item;
	size_t n = 0;
	int r;

	while (n < ARGS_MAX && dg_json_next_item(&it, &item))
		a[n++] = dg_json_dup(item);
	while (n < DG_N(a))
		a[n++] = dg_xstrdup("");
	r = run(a, &out, &e);
	dg_jw_open_object(&w);
	if (r < 0) {
		dg_jw_kstr(&w, "error", e.what);
		dg_jw_kstr(&w, "class", dg_class_name(r));
	} else {
		dg_jw_key(&w, "out");
		dg_jw_strn(&w, dg_strn(out.p ? out.p : "", out.n));
	}
	dg_jw_close_object(&w);
	puts(answer.p);
	fflush(stdout);
	for (size_t i = 0; i < DG_N(a); i++)
		free(a[i]);
}

int
main(void)
{
	auto_free char *text = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&text, &size, stdin)) > 0)
		line(dg_strn(text, (size_t)n));
	return 0;
}
