#!/bin/bash
# check-mutations.sh [NAME ...]: can the crash matrix fail? Each patch in tests/mutations takes
# one guard out of a copy of this tree; the copy is built with crash points, and the tests that
# the patch names must find the loss that it names. First they must pass without the patch.
# A patch that does not apply any more fails.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${DAGLET_BUILD:-$top/build/crash}
export JOBS=${JOBS:-2} DAGLET_VENV=${DAGLET_VENV:-$build/venv} PYTEST_WORKERS=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
begun=$SECONDS failed=0

cd "$top/tests/mutations" || exit 1
names=("$@")
[ ${#names[@]} -gt 0 ] || for p in *.patch; do names+=("${p%.patch}"); done

field() { # field NAME PATCH
	sed -n "s/^$1: //p" "$top/tests/mutations/$2.patch"
}

say() {
	printf 'check-mutations: %s\n' "$*"
}

tests() { # tests EXPRESSION LOG: the status of pytest
	DAGLET_BUILD=$work/build "$work/tree/tests/integration.sh" -k "crash_matrix and ($1)" \
		>"$work/$2.log" 2>&1
}

mkdir "$work/tree"
(cd "$top" && tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ .) |
	tar -x -C "$work/tree" || exit 1
"$top/contrib/install-venv.sh" "$DAGLET_VENV" >"$work/venv.log" 2>&1 || {
	cat "$work/venv.log"
	exit 1
}
if ! "$work/tree/contrib/build.sh" "$work/build" --enable-werror CC="${CC:-gcc}" \
	--enable-crashpoints CFLAGS='-g -O1' >"$work/build.log" 2>&1; then
	tail -20 "$work/build.log"
	exit 1
fi
export CRASH_MATRIX=full # the patches say which tests
all=
for name in "${names[@]}"; do
	all+="${all:+ or }($(field Tests "$name"))"
done
if ! tests "$all" control; then
	tail -40 "$work/control.log"
	say "the tests fail without any mutation"
	exit 1
fi
say "without a mutation: $(tail -1 "$work/control.log" | tr -d =)"
for name in "${names[@]}"; do
	patch=$top/tests/mutations/$name.patch
	wanted=$(field Finds "$name")
	if ! patch -d "$work/tree" -p1 --fuzz=0 --dry-run <"$patch" >"$work/patch.log" 2>&1; then
		say "$name: FAILED: it does not apply any more; make it anew"
		cat "$work/patch.log"
		failed=$((failed + 1))
		continue
	fi
	patch -d "$work/tree" -p1 <"$patch" >/dev/null
	if ! make -s -C "$work/build" -j"$JOBS" >"$work/build.log" 2>&1; then
		say "$name: FAILED: it does not build"
		tail -20 "$work/build.log"
		failed=$((failed + 1))
	else
		tests "$(field Tests "$name")" "$name"
		rc=$?
		if [ "$rc" -eq 1 ] && grep -qE -- "^E .*$wanted" "$work/$name.log"; then
			say "$name: found: $wanted ($(tail -1 "$work/$name.log" | tr -d =))"
		else
			say "$name: FAILED: the tests do not say '$wanted' (pytest ended with $rc)"
			grep -aE '^E  |^FAILED|^=+ ' "$work/$name.log" | tail -20
			failed=$((failed + 1))
		fi
	fi
	patch -R -d "$work/tree" -p1 <"$patch" >/dev/null
done
say "${#names[@]} mutations, $failed not found, $((SECONDS - begun)) s"
[ "$failed" -eq 0 ]
