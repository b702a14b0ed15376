#!/bin/bash
# bench.sh [--quick] [--only PART[,PART]] [--json FILE]: daglet and the Python agent side by side
# on the same devplane, measured. "make bench" calls it; the build is $DAGLET_BUILD.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${DAGLET_BUILD:-$top/build/gcc}
venv=${DAGLET_VENV:-$build/venv}
"$top/contrib/install-venv.sh" "$venv"
export DAGLET_BUILD=$build PYTHONDONTWRITEBYTECODE=1
unset DAGSTER_HOME PYTHONPATH
exec "$venv/bin/python" "$top/tests/bench/bench.py" "$@"
