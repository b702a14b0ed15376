/* tests/tools/yaml-dump.c: what the YAML room makes of documents, for comparison with
 * PyYAML.
 *
 * Reads from stdin, again and again until its end: a line "load N", "dates N" (with
 * PyYAML's timestamps) or "dump N", and N bytes of YAML. Answers each with one line of
 * JSON: the tree as
 * ["kind", value], or what dg_yaml_dump() writes as a string, or ["error", text].
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "yaml/yaml.h"
#include "json/write.h"

static void tree(struct dg_buf *b, const struct dg_yaml_node *n);

static void
entry(struct dg_buf *b, const struct dg_yaml_node *n)
{
	if (b->p[b->n - 1] != '[')
		dg_buf_adds(b, ", ");
	tree(b, n);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The keys of a set in the order of their JSON text. */
static void
set_tree(struct dg_buf *b, const struct dg_yaml_node *n)
{
	auto_free char **keys = dg_xcalloc(n->n + 1, sizeof *keys);

	for (size_t i = 0; i < n->n; i++) {
		auto_buf one = DG_BUF_INIT;

		tree(&one, n->pairs[i].key);
		keys[i] = dg_buf_take(&one);
	}
	qsort(keys, n->n, sizeof *keys, compare);
	for (size_t i = 0; i < n->n; i++) {
		dg_buf_addf(b, "%s%s", i ? ", " : "", keys[i]);
		free(keys[i]);
	}
}

static void
value(struct dg_buf *b, const struct dg_yaml_node *n)
{
	auto_free char *hex = NULL;

	switch (n->kind) {
	case DG_YAML_NULL:
		dg_buf_adds(b, "null");
		break;
	case DG_YAML_BOOL:
		dg_buf_adds(b, n->i ? "true" : "false");
		break;
	case DG_YAML_FLOAT:
		dg_json_add_double(b, n->f);
		break;
	case DG_YAML_BINARY:
		hex = dg_xcalloc(2 * n->text.n + 1, 1);
		dg_hex(n->text.p, n->text.n, hex);
		dg_json_add_str(b, dg_str(hex));
		break;
	case DG_YAML_INT:
	case DG_YAML_STR:
	case DG_YAML_TIME:
		dg_json_add_str(b, n->text);
		break;
	case DG_YAML_SEQ:
		dg_buf_addc(b, '[');
		for (size_t i = 0; i < n->n; i++)
			entry(b, n->items[i]);
		dg_buf_addc(b, ']');
		break;
	case DG_YAML_SET:
		dg_buf_addc(b, '[');
		set_tree(b, n);
		dg_buf_addc(b, ']');
		break;
	case DG_YAML_MAP:
	case DG_YAML_PAIRS:
		dg_buf_addc(b, '[');
		for (size_t i = 0; i < n->n; i++) {
			entry(b, n->pairs[i].key);
			entry(b, n->pairs[i].value);
		}
		dg_buf_addc(b, ']');
		break;
	}
}

static void
tree(struct dg_buf *b, const struct dg_yaml_node *n)
{
	static const char *const names[] = {"null", "bool", "int", "float", "str",
		"binary", "time", "seq", "map", "set", "pairs"};

	dg_buf_addf(b, "[\"%s\", ", names[n->kind]);
	value(b, n);
	dg_buf_addc(b, ']');
}

static void
answer(const char *what, struct dg_str text)
{
	struct dg_yaml *y = NULL;
	struct dg_yaml_mark at;
	struct dg_err e = {0};
	auto_buf out = DG_BUF_INIT, yaml = DG_BUF_INIT;
	int rc = dg_yaml_load(text,
		strcmp(what, "dates") == 0 ? DG_YAML_DATES : DG_YAML_NO_DATES, &y, &at,
		&e);

	if (rc == 0 && strcmp(what, "dump") == 0) {
		rc = dg_yaml_dump(dg_yaml_root(y), &yaml, &e);
		if (rc == 0)
			dg_json_add_str(&out, dg_buf_str(&yaml));
	} else if (rc == 0) {
		tree(&out, dg_yaml_root(y));
	}
	if (rc < 0) {
		dg_buf_reset(&yaml);
		dg_buf_addf(&yaml, "%u:%u: %s", at.line, at.column, e.what);
		dg_buf_adds(&out, "[\"error\", ");
		dg_json_add_str(&out, dg_buf_str(&yaml));
		dg_buf_addc(&out, ']');
	}
	puts(out.p);
	fflush(stdout);
	dg_yaml_free(y);
}

int
main(void)
{
	char what[16];
	size_t n;

	while (scanf("%15s %zu", what, &n) == 2 && getchar() == '\n') {
		auto_free char *text = dg_xcalloc(n + 1, 1);

		if (fread(text, 1, n, stdin) != n)
			return 1;
		answer(what, dg_strn(text, n));
	}
	return 0;
}
