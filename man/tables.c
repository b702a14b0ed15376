/* man/tables.c: fills the tables of a manual page from the schema tables of the program,
 * so that the two cannot differ.
 *
 * Reads a page on stdin, writes it to stdout; a line ".\" @daglet.yaml@",
 * ".\" @dagster.yaml@" or ".\" @environment@" becomes the list of that name.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "config/keys.h"

/* Text as troff shows it: no requests at a line's start, minus signs that can be copied.
 */
static void
put(const char *s)
{
	for (; *s; s++)
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else if (*s == '\'')
			fputs("\\(aq", stdout);
		else
			putchar(*s);
}

/* Split a line at its tabs, in place; missing columns are "". */
static void
split(char *line, char **columns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		columns[i] = line;
		line += strcspn(line, "\t");
		if (*line)
			*line++ = '\0';
	}
}

static bool
in_table(const struct dg_key_table *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->rows[i].path, path) == 0)
			return true;
	return false;
}

static void
key(char *line, const struct dg_key_table *const *tables)
{
	char *c[5];
	bool mine = false;

	split(line, c, DG_N(c));
	for (; *tables; tables++)
		mine = mine || in_table(*tables, c[0]);
	if (!mine || strcmp(c[1], "map") == 0)
		return;
	fputs(".TP\n.B ", stdout);
	put(c[0]);
	fputs("\n(", stdout);
	put(c[1]);
	if (strcmp(c[2], "required") == 0)
		fputs(", required", stdout);
	else if (*c[2]) {
		fputs(", default ", stdout);
		put(c[2]);
	}
	if (*c[3]) {
		fputs("; a change takes: ", stdout);
		put(c[3]);
	}
	fputs(")\n", stdout);
	put(c[4]);
	fputs(".\n", stdout);
}

static void
variable(char *line, const struct dg_key_table *const *tables)
{
	char *c[3];

	(void)tables;
	split(line, c, DG_N(c));
	fputs(".TP\n.B ", stdout);
	put(c[0]);
	putchar('\n');
	put(c[2]);
	if (*c[1]) {
		fputs(" (default ", stdout);
		put(strncmp(c[1], "env.", 4) == 0 ? c[1] + 4 : c[1]);
		putchar(')');
	}
	fputs(".\n", stdout);
}

static const struct list {
	const char *name;
	void (*source)(struct dg_buf *out);
	void (*row)(char *line, const struct dg_key_table *const *tables);
	const struct dg_key_table *const *tables;
} lists[] = {
	{".\\\" @daglet.yaml@\n", dg_config_list, key,
		(const struct dg_key_table *const[]){&dg_keys_daglet, NULL}},
	{".\\\" @dagster.yaml@\n", dg_config_list, key,
		(const struct dg_key_table *const[]){
			&dg_keys_agent, &dg_keys_launcher, &dg_keys_process, NULL}},
	{".\\\" @environment@\n", dg_config_list_env, variable, NULL},
};

static bool
replaced(const char *line)
{
	for (size_t i = 0; i < DG_N(lists); i++) {
		auto_buf b = DG_BUF_INIT;
		char *save = NULL;

		if (strcmp(line, lists[i].name) != 0)
			continue;
		lists[i].source(&b);
		for (char *l = strtok_r(b.p, "\n", &save); l;
			l = strtok_r(NULL, "\n", &save))
			lists[i].row(l, lists[i].tables);
		return true;
	}
	return false;
}

int
main(void)
{
	char line[4096];

	while (fgets(line, sizeof line, stdin))
		if (!replaced(line))
			fputs(line, stdout);
	return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
