/* tests/fixtures/bad: every file is refused with exactly its .expected, and its twin,
 * which has the same faults elsewhere, names other places. tests/fixtures/good: every
 * file is taken, and together they set every key of the tables. */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>

#include "base/fd.h"
#include "config/keys.h"
#include "config/validate.h"
#include "load.h"

static const char *const env[] = {"BAD_INT=ten",
	"TOKEN=agent:acme:65757fba-bf17-811b-8b4d-367ea841a3b0", "SECOND_DEPLOYMENT=dev",
	"YEA=True", "SIX=6", NULL};

static char *
read_file(const char *path)
{
	struct dg_buf b = DG_BUF_INIT;
	struct dg_err e = {0};

	cr_assert_eq(
		dg_read_file(AT_FDCWD, path, 1 << 20, &b, &e), 0, "%s: %s", path, e.what);
	return dg_buf_take(&b);
}

static char *
other_ending(const char *path, const char *ending)
{
	return dg_xasprintf(
		"%.*s%s", (int)(strlen(path) - strlen(".yaml")), path, ending);
}

/* The next "dagster.yaml:LINE:COLUMN: " of TEXT; false behind the last. */
static bool
next_place(const char **text, unsigned *line, unsigned *column)
{
	for (; **text; *text += strcspn(*text, "\n"), *text += **text == '\n')
		if (sscanf(*text, "dagster.yaml:%u:%u:", line, column) == 2) {
			*text += strcspn(*text, "\n");
			return true;
		}
	return false;
}

/* Does TEXT have a message like this one, at the same place? */
static bool
has_message(const char *text, const char *message, size_t n)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, message, n) == 0)
			return true;
	return false;
}

Test(fixtures, every_broken_file_is_refused_with_its_text)
{
	glob_t g;
	size_t places = 0;

	cr_assert_eq(glob(FIXTURES "/bad/*.yaml", 0, NULL, &g), 0);
	cr_assert_geq(g.gl_pathc, 60);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *path = g.gl_pathv[i];
		auto_free char *text = read_file(path);
		auto_free char *expected_path = other_ending(path, ".expected");
		auto_free char *expected = read_file(expected_path);
		auto_free char *errors = refused(text, env);
		unsigned line, column;

		cr_assert_str_eq(errors, expected, "%s:\n%s", path, errors);
		cr_assert_null(strstr(errors, "s3cret"), "%s", path);
		for (const char *p = errors; next_place(&p, &line, &column);)
			places++;
	}
	cr_assert_gt(places, 100);
	globfree(&g);
}

Test(fixtures, every_broken_file_has_a_twin_that_names_other_places)
{
	glob_t g;
	size_t twins = 0;

	cr_assert_eq(glob(FIXTURES "/bad/*.twin.expected", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		auto_free char *twin = read_file(g.gl_pathv[i]);
		auto_free char *path = dg_xasprintf("%.*s.expected",
			(int)(strlen(g.gl_pathv[i]) - 14), g.gl_pathv[i]);
		auto_free char *first = read_file(path);
		unsigned line, column;
		bool some = false;

		for (const char *p = twin; next_place(&p, &line, &column);) {
			const char *start = p;

			while (start > twin && start[-1] != '\n')
				start--;
			some = true;
			cr_assert_not(has_message(first, start, (size_t)(p - start)),
				"%s:%u:%u", path, line, column);
		}
		twins += some;
	}
	cr_assert_geq(twins, 50);
	globfree(&g);
}

Test(fixtures, every_good_file_is_taken)
{
	glob_t g;

	cr_assert_eq(glob(FIXTURES "/good/*.yaml", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		auto_free char *text = read_file(g.gl_pathv[i]);
		struct dg_config *c = load_text(text, env);

		cr_assert_str_eq(dg_settings_str(c->settings, "backend"), "process");
		dg_config_free(c);
	}
	globfree(&g);
}

/* Is the row's key set in one of the documents? Rows of list items stand with their list.
 */
static bool
covered(const char *key, struct dg_yaml **docs, size_t n)
{
	if (strpbrk(key, "[*"))
		return true;
	for (size_t i = 0; i < n; i++)
		if (dg_config_at(dg_yaml_root(docs[i]), key))
			return true;
	return false;
}

Test(fixtures, the_good_files_set_every_key)
{
	static const struct dg_key_table *const tables[] = {&dg_keys_instance,
		&dg_keys_agent, &dg_keys_launcher, &dg_keys_process, &dg_keys_daglet};
	struct dg_yaml *docs[32];
	size_t n = 0;
	glob_t g;

	cr_assert_eq(glob(FIXTURES "/good/*.yaml", 0, NULL, &g), 0);
	cr_assert_eq(glob(FIXTURES "/good/daglet/daglet.yaml", GLOB_APPEND, NULL, &g), 0);
	cr_assert_lt(g.gl_pathc, DG_N(docs));
	for (; n < g.gl_pathc; n++) {
		auto_free char *text = read_file(g.gl_pathv[n]);

		cr_assert_eq(dg_yaml_load(dg_str(text), DG_YAML_NO_DATES, &docs[n], NULL,
				     NULL),
			0);
	}
	for (size_t t = 0; t < DG_N(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			cr_assert(covered(tables[t]->rows[i].path, docs, n), "%s",
				tables[t]->rows[i].path);
	while (n-- > 0)
		dg_yaml_free(docs[n]);
	globfree(&g);
}

Test(fixtures, every_row_has_its_map_and_its_help)
{
	static const struct dg_schema schema = {
		{&dg_keys_instance, &dg_keys_agent, &dg_keys_launcher, &dg_keys_process}};
	const struct dg_key *row = NULL;

	while ((row = dg_key_next(&schema, row))) {
		const char *end = strrchr(row->path, '.');
		auto_free char *parent = NULL;

		cr_assert_eq(dg_key_find(&schema, row->path), row, "%s is there twice",
			row->path);
		cr_assert(row->help || strpbrk(row->path, "[*"), "%s", row->path);
		if (row->type == DG_KEY_LIST || row->type == DG_KEY_STR_OR_LIST) {
			parent = dg_xasprintf("%s[]", row->path);
			cr_assert(dg_key_find(&schema, parent), "%s", parent);
		} else if (row->type == DG_KEY_MAP) {
			parent = dg_xasprintf("%s.*", row->path);
			cr_assert(dg_key_find(&schema, parent), "%s", parent);
		} else if (end) {
			parent = dg_xstrndup(row->path, (size_t)(end - row->path));
			cr_assert(dg_key_find(&schema, parent), "%s", parent);
		}
	}
}
