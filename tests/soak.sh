#!/bin/bash
# soak.sh [--seconds N] [--seed N]: a long time of work with sudden deaths in it, after which
# nothing may have grown. "make soak" calls it; the build is $DAGLET_BUILD.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${DAGLET_BUILD:-$top/build/gcc}
venv=${DAGLET_VENV:-$build/venv}
"$top/contrib/install-venv.sh" "$venv"
export DAGLET_BUILD=$build PYTHONDONTWRITEBYTECODE=1
unset DAGSTER_HOME PYTHONPATH
exec "$venv/bin/python" "$top/tests/soak/soak.py" "$@"
