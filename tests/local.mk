EXTRA_DIST += %D%/run-criterion.sh %D%/run.sh %D%/integration.sh %D%/bench.sh %D%/compare.sh %D%/soak.sh \
	%D%/check-mutations.sh %D%/mutations %D%/fixtures
# How the tree is built: who includes whom, what is linked to what.
STRUCTURE_CHECKS = %D%/walls.sh %D%/checks/walls-catch.sh %D%/checks/headers.sh %D%/checks/dynamic.sh
EXTRA_DIST += $(STRUCTURE_CHECKS)
# A unit test links only the room it tests and what that room may use.
TEST_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
include tests/tools/local.mk
include tests/fuzz/local.mk
if HAVE_CRITERION
include tests/unit/base/local.mk
include tests/unit/log/local.mk
include tests/unit/json/local.mk
include tests/unit/yaml/local.mk
include tests/unit/config/local.mk
include tests/unit/ipc/local.mk
include tests/unit/worker/local.mk
include tests/unit/http/local.mk
include tests/unit/grpc/local.mk
include tests/unit/cloud/local.mk
include tests/unit/dagster/local.mk
include tests/unit/master/local.mk
include tests/unit/poller/local.mk
include tests/unit/ledger/local.mk
include tests/unit/launcher/local.mk
include tests/unit/backend/local.mk
include tests/unit/reporter/local.mk
include tests/unit/status/local.mk
include tests/unit/ctl/local.mk
endif
