#!/bin/bash
# tests/run.sh [PART ...]: build daglet and run its tests; without PART all of them.
#
# Installs what it needs (Debian 12, as root), builds under build/ (or $DAGLET_TEST_BUILD), goes
# on after a part that failed, and ends with what each test runner said last and one line
# "N passed, N failed". A part's whole output is in build/log/PART.log.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${DAGLET_TEST_BUILD:-$top/build}
logs=$build/log
export JOBS=${JOBS:-2}
# Longest time of one part, in seconds.
limit=${PART_TIMEOUT:-1800}
export LC_ALL=C.UTF-8 DAGLET_VENV=$build/venv
export PYTHONDONTWRITEBYTECODE=1
unset MAKEFLAGS MAKELEVEL DAGSTER_HOME

# --- parts: a function each, run in a shell of its own ----------------------------------------

compile() { # compile NAME [CONFIGURE-OPTION ...]: build/NAME, warnings are errors
	local dir=$build/$1
	shift
	"$top/contrib/build.sh" "$dir" --enable-werror "$@" && cd "$dir"
}

check() { # check NAME: its unit tests
	cd "$build/$1" && make -j"$JOBS" -k check
}

part_unit() { compile gcc CC=gcc && check gcc; }
part_clang() { compile clang CC=clang && check clang; }
part_sanitizers() {
	export TEST_TIMEOUT=${TEST_TIMEOUT:-300}
	compile san CC=gcc --enable-sanitizers CFLAGS='-g -O1' && check san
}
part_format() { compile gcc CC=gcc >/dev/null && make check-format; }
part_walls() { compile gcc CC=gcc && make check-walls; }
part_distcheck() {
	compile gcc CC=gcc && make -j"$JOBS" distcheck DISTCHECK_CONFIGURE_FLAGS='CFLAGS=-O0'
	local rc=$?
	rm -f "$build"/gcc/daglet-*.tar.*
	return $rc
}
part_integration() {
	compile gcc CC=gcc && "$top/contrib/install-venv.sh" "$DAGLET_VENV" &&
		make check-integration PYTEST_ARGS="-k 'not crash_matrix'"
}
part_crash() { # by itself: it says how fast a role must be back; make crash-matrix is all of it
	compile crash CC=gcc --enable-crashpoints CFLAGS='-g -O1' &&
		"$top/contrib/install-venv.sh" "$DAGLET_VENV" &&
		PYTEST_WORKERS=0 make check-integration PYTEST_ARGS="-k crash_matrix -s"
}
part_quickstart() {
	compile gcc CC=gcc && "$top/contrib/install-venv.sh" "$DAGLET_VENV" &&
		DAGLET_BUILD=$build/gcc "$top/contrib/quickstart.sh"
}
parts=(unit clang sanitizers format walls distcheck integration crash quickstart)

# --- running them -----------------------------------------------------------------------------

say() {
	printf '[%02d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

# What its runners said last: summaries PART [BUILD]. With BUILD a line for each program that
# "make check" ran there: Criterion's own last line, or the outcome of one that has none.
summaries() {
	local trs name line log=$logs/$1.log
	if [ -n "${2:-}" ]; then
		find "$build/$2/tests" -name '*.trs' -newer "$logs/$1.begun" 2>/dev/null | sort |
			while read -r trs; do
				name=$(basename "$trs" .trs)
				line=$(grep -a 'Synthesis: Tested:' "${trs%.trs}.log" | tail -1 |
					sed 's/\x1b\[[0-9;]*m//g; s/ *$//')
				[ -n "$line" ] || line=$(sed -n 's/^:global-test-result: /outcome /p' "$trs")
				printf '%s: %s\n' "$name" "${line:-no end}"
			done
	fi
	grep -aE '^=+ .*(passed|failed|error|no tests ran|skipped).* in [0-9.]+s.* =+$' "$log" | tail -1
	grep -aE '^quickstart: ' "$log" | tail -1
	grep -aE '^daglet-.* archives ready' "$log" | tail -1
}

# "passed failed", from a part's summaries and its exit status.
count() {
	local text=$1 rc=$2
	awk -v rc="$rc" '
		function before(word,  i) {
			for (i = 2; i <= NF; i++)
				if ($i ~ "^" word) return $(i - 1) + 0
			return 0
		}
		/Synthesis: Tested:/ {
			gsub(/[|:]/, " ")
			for (i = 1; i < NF; i++) {
				if ($i == "Passing") p += $(i + 1)
				if ($i == "Failing") f += $(i + 1)
			}
			seen = 1
		}
		/: outcome PASS$/ { p++; seen = 1 }
		/: outcome (FAIL|ERROR|XPASS)$/ || /: no end$/ { f++; seen = 1 }
		/^=+ / { p += before("passed"); f += before("failed") + before("error"); seen = 1 }
		END {
			if (!seen) { if (rc == 0) p = 1; else f = 1 }
			else if (rc != 0 && f == 0) f = 1
			print p + 0, f + 0
		}' <<<"$text"
}

child=
stop() {
	[ -n "$child" ] && kill -TERM -- "-$child" 2>/dev/null
	say "stopped"
	exit 130
}
trap stop INT TERM HUP

run_part() { # run_part PART: its exit status
	local part=$1 log=$logs/$1.log begun=$SECONDS shown=$SECONDS line rc
	: >"$logs/$part.begun"
	say "$part"
	export -f compile check "part_$part"
	export top build
	setsid bash -c "part_$part" >"$log" 2>&1 </dev/null &
	child=$!
	while kill -0 "$child" 2>/dev/null; do
		sleep 0.3
		if [ $((SECONDS - shown)) -ge 15 ]; then
			shown=$SECONDS
			line=$(tail -c 400 "$log" | tr -d '\r' | sed 's/\x1b\[[0-9;]*m//g' |
				grep -a . | tail -1)
			say "$part ... ${line:0:90}"
		fi
		if [ $((SECONDS - begun)) -ge "$limit" ]; then
			echo "run.sh: $part took longer than $limit s" >>"$log"
			kill -TERM -- "-$child" 2>/dev/null
			sleep 5
			kill -KILL -- "-$child" 2>/dev/null
			break
		fi
	done
	wait "$child"
	rc=$?
	kill -KILL -- "-$child" 2>/dev/null && echo "run.sh: $part left processes" >>"$log"
	child=
	return $rc
}

wanted=("$@")
[ ${#wanted[@]} -eq 0 ] && wanted=("${parts[@]}")
for part in "${wanted[@]}"; do
	if [[ " ${parts[*]} " != *" $part "* ]]; then
		echo "run.sh: no part $part; parts: ${parts[*]}" >&2
		exit 2
	fi
done
mkdir -p "$logs"
say "packages"
"$top/contrib/install-packages.sh" test || { echo "0 passed, 1 failed"; exit 1; }
passed=0 failed=0 report=()
for part in "${wanted[@]}"; do
	begun=$SECONDS
	run_part "$part"
	rc=$?
	case $part in
	unit) text=$(summaries "$part" gcc) ;;
	clang) text=$(summaries "$part" clang) ;;
	sanitizers) text=$(summaries "$part" san) ;;
	*) text=$(summaries "$part") ;;
	esac
	read -r p f <<<"$(count "$text" "$rc")"
	passed=$((passed + p)) failed=$((failed + f))
	if [ "$rc" -eq 0 ] && [ "$f" -eq 0 ]; then
		say "$part: $p passed ($((SECONDS - begun)) s)"
	else
		tail -n "${TAIL:-60}" "$logs/$part.log"
		say "$part: $p passed, $f FAILED ($((SECONDS - begun)) s); all of it: $logs/$part.log"
	fi
	report+=("== $part: $p passed, $f failed")
	[ -n "$text" ] && report+=("$text")
done

printf '%s\n' "${report[@]}"
say "done"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
