#!/bin/bash
# quickstart.sh: a real Dagster project served by daglet, on this machine, in one command.
#
#   contrib/quickstart.sh                 show it, then end everything
#   contrib/quickstart.sh --keep          leave it running, to look around
#   contrib/quickstart.sh --stop          end what --keep left
#   contrib/quickstart.sh --break-server  the code server cannot load: shows how that looks
#   contrib/quickstart.sh --agent python  the Python agent in daglet's place
#   contrib/quickstart.sh --home DIR      where everything lies (build/quickstart)
#   contrib/quickstart.sh --cgroup DIR    hold the agent's processes in this control group
#
# Installs what it needs (Debian 12, as root), builds daglet, starts devplane (a control plane
# for development) and the agent on contrib/examples/quickstart, asks it everything that a
# control plane asks, and starts two runs. Its exit status is 0 when all of that went well.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$top/build
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
unset DAGSTER_HOME PYTHONPATH PYTHONHOME

agent=daglet
stop=
previous=
for argument in "$@"; do
	case $argument in
	-h | --help)
		sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '/^set -/,$d'
		exit 0
		;;
	--stop) stop=yes ;;
	esac
	[ "$previous" = --agent ] && agent=$argument
	case $argument in --agent=*) agent=${argument#--agent=} ;; esac
	previous=$argument
done

mkdir -p "$build"
log=$build/quickstart-install.log
step() { # step WORDS COMMAND ...: its output is shown only if it fails
	local words=$1 begun=$SECONDS
	shift
	printf '%-14s' "$words"
	if ! "$@" >"$log" 2>&1 </dev/null; then
		printf 'failed\n'
		tail -n 40 "$log"
		exit 1
	fi
	printf 'done (%d s)\n' $((SECONDS - begun))
}
venv=${DAGLET_VENV:-$build/venv}
if [ -n "$stop" ]; then
	[ -x "$venv/bin/python" ] || exit 0 # nothing can have been started
	agent=none
else
	step packages "$top/contrib/install-packages.sh" build
	step dagster "$top/contrib/install-venv.sh" "$venv"
fi
if [ "$agent" = daglet ] && [ -z "${DAGLET_BUILD:-}" ]; then
	step daglet "$top/contrib/build.sh" "$build/daglet"
fi
exec "$venv/bin/python" "$top/contrib/quickstart.py" --build "${DAGLET_BUILD:-$build/daglet}" \
	--home "$build/quickstart" "$@"
