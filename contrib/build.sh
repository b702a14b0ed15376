#!/bin/bash
# build.sh DIR [CONFIGURE-OPTION ...]: build daglet out of tree in DIR. Configures anew when the
# options changed, and only makes what is not up to date.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
[ $# -ge 1 ] || { echo "usage: build.sh DIR [CONFIGURE-OPTION ...]" >&2; exit 2; }
dir=$1
shift
unset MAKEFLAGS MAKELEVEL

if [ -e "$top/config.status" ]; then
	echo "build.sh: $top is configured in place; run 'make distclean' there first" >&2
	exit 1
fi
for file in "$top/configure.ac" "$top"/m4/*.m4; do
	if [ ! "$top/configure" -nt "$file" ] || [ ! -e "$top/Makefile.in" ]; then
		(cd "$top" && autoreconf -fi)
		break
	fi
done

mkdir -p "$dir"
cd "$dir"
if [ ! -e config.status ] || [ "$(cat options 2>/dev/null)" != "$*" ]; then
	"$top/configure" -q "$@"
	printf '%s' "$*" >options
fi
exec make -j"${JOBS:-2}"
