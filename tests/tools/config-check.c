/* tests/tools/config-check.c: what the config room makes of documents.
 *
 * Reads from stdin, again and again until its end, a line "N" and N bytes of a
 * dagster.yaml. Answers each with a line of JSON: {"errors": text, "warnings": text,
 * "settings": {key: value or list of [name, value]}}. The environment is its own. With
 * --sample, --keys or
 * --env it prints the sample file or a list instead.
 */
#include <stdio.h>

#include "base/mem.h"
#include "config/config.h"
#include "json/write.h"

extern char **environ;

static void
settings(struct dg_jw *w, const struct dg_settings *s)
{
	const char *key;

	dg_jw_open_object(w);
	for (size_t i = 0; s && (key = dg_settings_key(s, i)); i++) {
		size_t n = dg_settings_count(s, key);

		dg_jw_key(w, key);
		if (n == 0) {
			dg_jw_str(w, dg_settings_str(s, key));
			continue;
		}
		dg_jw_open_array(w);
		for (size_t k = 0; k < n; k++) {
			dg_jw_open_array(w);
			dg_jw_str(w, dg_settings_name(s, key, k));
			dg_jw_str(w, dg_settings_item(s, key, k));
			dg_jw_close_array(w);
		}
		dg_jw_close_array(w);
	}
	dg_jw_close_object(w);
}

static void
answer(const char *text)
{
	const struct dg_config_source src = {.home = "/home",
		.dagster_text = text,
		.dagster_name = "dagster.yaml",
		.env = (const char *const *)environ};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT, out = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&out);

	dg_config_load(&src, &c, &errors);
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "errors", errors.p ? errors.p : "");
	dg_jw_kstr(&w, "warnings", c && c->warnings.p ? c->warnings.p : "");
	dg_jw_key(&w, "settings");
	settings(&w, c ? c->settings : NULL);
	dg_jw_close_object(&w);
	puts(out.p);
	fflush(stdout);
}

static int
print(void (*list)(struct dg_buf *out))
{
	auto_buf out = DG_BUF_INIT;

	list(&out);
	fputs(out.p, stdout);
	return 0;
}

int
main(int argc, char **argv)
{
	size_t n;

	if (argc > 1 && strcmp(argv[1], "--sample") == 0)
		return print(dg_config_sample);
	if (argc > 1 && strcmp(argv[1], "--keys") == 0)
		return print(dg_config_list);
	if (argc > 1 && strcmp(argv[1], "--env") == 0)
		return print(dg_config_list_env);
	while (scanf("%zu", &n) == 1 && getchar() == '\n') {
		auto_free char *text = dg_xcalloc(n + 1, 1);

		if (fread(text, 1, n, stdin) != n)
			return 1;
		answer(text);
	}
	return 0;
}
