#!/bin/bash
# install-venv.sh DIR: a Python environment with the real dagster, devplane and pytest in DIR.
# What is there and fits is left as it is; devplane is installed anew when its files changed.
set -eu
[ $# -eq 1 ] || { echo "usage: install-venv.sh DIR" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
venv=$1

# Without versions pip goes back to a dagster of years ago as soon as one of the two is ahead.
# PyYAML 6.0.4 takes the last of several merged maps where all before took the first, but for
# keys of one character: what it does hangs on which strings are the same object.
pinned=(dagster==1.13.27 dagster-cloud==1.13.27 PyYAML==6.0.3
	"pytest>=8,<10" "pytest-timeout>=2,<3" "pytest-xdist>=3,<4")
unset PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

python=/usr/bin/python3 # Debian's, whose venv module was installed
[ -x "$python" ] || python=python3
stamp=$venv/.daglet-pinned
want="$("$python" --version) ${pinned[*]}"
if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
	echo "install-venv: ${pinned[*]}"
	rm -rf "$venv"
	"$python" -m venv "$venv"
	unset PYTHONDONTWRITEBYTECODE # compiled once here, not at every start
	for try in 1 2 3; do
		"$venv/bin/python" -m pip install -q --retries 5 "${pinned[@]}" && break
		[ "$try" -lt 3 ] || exit 1
		sleep $((try * 5))
	done
	printf '%s\n' "$want" >"$stamp"
fi

stamp=$venv/.daglet-devplane
files() {
	find "$here/devplane" -type f \
		\( -name '*.py' -o -name '*.graphql' -o -name '*.toml' -o -name '*.md' \) \
		-not -path '*/build/*' -print0 | sort -z
}
want=$(files | xargs -0 sha256sum | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
	echo "install-venv: devplane"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	# A copy, because pip builds in the tree that it installs from.
	(cd "$here/devplane" && tar -c --exclude=__pycache__ --exclude=build \
		--exclude='*.egg-info' .) | tar -x -C "$work"
	unset PYTHONDONTWRITEBYTECODE
	"$venv/bin/python" -m pip install -q --retries 5 --force-reinstall --no-deps "$work"
	"$venv/bin/python" -m pip install -q --retries 5 "$work" # what it needs besides
	printf '%s\n' "$want" >"$stamp"
fi
