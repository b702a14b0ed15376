#!/bin/bash
# compare.sh [--only ROW[,ROW]] [--quick]: daglet and the Python agent in the same scenarios, one
# figure beside the other, into docs/compare.md. "make compare" calls it; the build is
# $DAGLET_BUILD.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${DAGLET_BUILD:-$top/build/gcc}
venv=${DAGLET_VENV:-$build/venv}
"$top/contrib/install-venv.sh" "$venv"
export DAGLET_BUILD=$build PYTHONDONTWRITEBYTECODE=1
unset DAGSTER_HOME PYTHONPATH
exec "$venv/bin/python" "$top/tests/compare/compare.py" "$@"
