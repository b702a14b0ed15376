#!/bin/sh
# headers.sh: each header compiles alone. "make check" sets CC, CHECK_CPPFLAGS and top_srcdir.
set -eu
find "$top_srcdir/src" "$top_srcdir/include" -name '*.h' | sort | {
	set --
	while read -r f; do
		set -- "$@" "$f"
	done
	[ $# -gt 0 ]
	# Without -Wunused: what a header defines, nobody uses here.
	# shellcheck disable=SC2086
	$CC -std=gnu11 $CHECK_CPPFLAGS -Wall -Wextra -Werror -Wno-unused -fsyntax-only -x c "$@"
	echo "headers: $# compile alone"
}
