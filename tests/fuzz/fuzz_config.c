/* tests/fuzz/fuzz_config.c: any dagster.yaml is taken or refused with a reason. */
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "fuzz.h"

const char *const fuzz_corpus[] = {
	"fixtures/good", "fixtures/bad", "fuzz/corpus/yaml", NULL};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const env[] = {"TOKEN=agent:acme:x", "SIX=6", "YEA=yes", NULL};
	auto_free char *text = dg_xstrndup((const char *)data, size);
	const struct dg_config_source src = {
		.dagster_text = text, .dagster_name = "fuzz", .env = env};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT;
	int rc = dg_config_load(&src, &c, &errors);

	DG_ASSERT(rc == 0 ? c && errors.n == 0 : !c && errors.n > 0);
	return 0;
}
