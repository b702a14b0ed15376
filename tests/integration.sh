#!/bin/bash
# integration.sh [PYTEST-ARGUMENT ...]: the integration tests (pytest, real dagster) against the
# build in $DAGLET_BUILD. "make check-integration" calls it; the Python environment is
# $DAGLET_VENV, or one in the build folder.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${DAGLET_BUILD:-$top/build/gcc}
venv=${DAGLET_VENV:-$build/venv}
if [ ! -x "$build/daglet" ]; then
	echo "integration.sh: no daglet in $build; build it, or say DAGLET_BUILD=DIR" >&2
	exit 1
fi
"$top/contrib/install-venv.sh" "$venv"
export DAGLET_BUILD=$build DAGLET_VENV=$venv PYTHONDONTWRITEBYTECODE=1
export PATH=$venv/bin:$PATH
unset DAGSTER_HOME PYTHONPATH
# One file of tests stays in one worker, so that module-wide set-ups are shared. Most of the
# time of most tests is waiting: three workers on two cores.
exec "$venv/bin/python" -m pytest -c /dev/null --rootdir="$top/tests/integration" \
	-p no:cacheprovider -ra --timeout=300 -n "${PYTEST_WORKERS:-3}" --dist=loadfile \
	"$top/tests/integration" "$@"
