/* tests/fuzz/fuzz_yaml.c: what was read can be written, and what was written reads as the
 * same. */
#include "base/err.h"
#include "fuzz.h"
#include "yaml/yaml.h"

const char *const fuzz_corpus[] = {
	"fuzz/corpus/yaml", "fixtures/good", "fixtures/bad", NULL};

static bool
load_and_dump(struct dg_str text, struct dg_buf *out)
{
	struct dg_yaml *y = NULL;
	struct dg_yaml_mark at = {0, 0};
	struct dg_err e = {0};
	bool good = dg_yaml_load(text, DG_YAML_NO_DATES, &y, &at, &e) == 0;

	DG_ASSERT(good || (at.line > 0 && at.column > 0 && *e.what));
	good = good && dg_yaml_dump(dg_yaml_root(y), out, &e) == 0;
	dg_yaml_free(y);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf first = DG_BUF_INIT, second = DG_BUF_INIT;
	struct dg_yaml *y = NULL;

	if (dg_yaml_load(dg_strn((const char *)data, size), DG_YAML_DATES, &y, NULL,
		    NULL) == 0)
		dg_yaml_free(y);
	if (!load_and_dump(dg_strn((const char *)data, size), &first))
		return 0;
	DG_ASSERT(load_and_dump(dg_buf_str(&first), &second));
	DG_ASSERT(dg_str_eq(dg_buf_str(&first), dg_buf_str(&second)));
	return 0;
}
