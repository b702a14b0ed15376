#!/bin/sh
# walls.sh [SOURCE-FOLDER]: who may include whom, and what else every file keeps to.
#
# The rooms and their walls stand in the table below; everything is read from the #include
# lines. Prints every offence; passes when there is none.
set -eu
LC_ALL=C
export LC_ALL
top=${1:-${top_srcdir:-$(dirname "$0")/..}}
cd "$top"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/bad"

bad() {
	echo "$*" >>"$work/bad"
}

# room | rooms it may include | libraries' headers it may include
# (every room may include itself, include/daglet and the C library)
cat >"$work/rooms" <<'END'
base     |                                           | gcrypt
log      | base                                      | systemd/sd-journal
json     | base                                      |
yaml     | base                                      | yaml
ipc      | base                                      | systemd/sd-event
http     | base                                      | curl/curl systemd/sd-event
grpc     | base                                      | nghttp2/nghttp2 systemd/sd-event zlib
config   | base json yaml                            |
dagster  | base json yaml                            | zlib
cloud    | base json http config                     | curl/curl systemd/sd-event zlib
worker   | base log ipc config                       | systemd/sd-event
backend  | base log json config                      | systemd/sd-event
master   | base log ipc yaml config                  | systemd/sd-event systemd/sd-daemon systemd/sd-bus systemd/sd-login
poller   | base log ipc json http config cloud dagster worker          | systemd/sd-event
ledger   | base log ipc json config dagster worker   | systemd/sd-event sqlite3
launcher | base log ipc json yaml grpc config dagster worker backend   | systemd/sd-event zlib
reporter | base log ipc json http config cloud dagster worker          | systemd/sd-event zlib
status   | base log ipc json config worker           | systemd/sd-event microhttpd
ctl      | base json                                 | curl/curl
END

# 1. Rooms: "file includer included" for each line of the form #include "room/file.h".
find src -name '*.[ch]' | sort | while read -r f; do
	room=${f#src/}
	sed -n 's|^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*|\1|p' "$f" |
		sed "s|^|$f ${room%%/*} |"
done >"$work/own"
awk -v bad="$work/bad" '
	NR == FNR {
		split($0, col, "|")
		gsub(/ /, "", col[1])
		known[col[1]] = 1
		n = split(col[2], may, " ")
		for (i = 1; i <= n; i++)
			allowed[col[1], may[i]] = 1
		next
	}
	{
		if (!($2 in known)) {
			print $1 ": room " $2 " has no row in tests/walls.sh" >>bad
			next
		}
		if (split($3, part, "/") < 2) {
			print $1 ": #include \"" $3 "\" does not name its room" >>bad
			next
		}
		if (part[1] != "daglet" && part[1] != $2 && !(($2, part[1]) in allowed))
			print $1 ": " $2 " may not include " $3 >>bad
	}' "$work/rooms" "$work/own"

# 2. Libraries: which room knows which interface.
find src -name '*.[ch]' | sort | while read -r f; do
	room=${f#src/}
	sed -n 's|^[[:space:]]*#[[:space:]]*include[[:space:]]*<\([^>]*\)\.h>.*|\1|p' "$f" |
		grep -E '^(curl|nghttp2|openssl|systemd|microhttpd|sqlite3|yaml|zlib)' |
		sed "s|^|$f ${room%%/*} |" || true
done >"$work/foreign"
awk -v bad="$work/bad" '
	NR == FNR {
		split($0, col, "|")
		gsub(/ /, "", col[1])
		n = split(col[3], may, " ")
		for (i = 1; i <= n; i++)
			allowed[col[1], may[i]] = 1
		next
	}
	!(($2, $3) in allowed) {
		print $1 ": " $2 " may not include <" $3 ".h>" >>bad
	}' "$work/rooms" "$work/foreign"

# 3. Backends: the launcher knows backend.h and no backend; no backend knows another.
awk -v bad="$work/bad" '
	{ n = split($3, to, "/"); split($1, from, "/") }
	to[1] != "backend" || n < 3 { next }
	$2 != "backend" || from[3] != to[2] {
		print $1 ": only backend/" to[2] " knows " $3 >>bad
	}' "$work/own"

# 4. No cycle between rooms.
awk '{ split($3, to, "/") } to[1] != $2 && to[1] != "daglet" { print $2, to[1] }' \
	"$work/own" | sort -u >"$work/edges"
tsort "$work/edges" >/dev/null 2>"$work/cycle" || bad "rooms include each other:" \
	"$(sed 's/^tsort: *//' "$work/cycle" | tr '\n' ' ')"

# 5. Crossing processes: include/daglet includes base and itself only.
grep -nE '^#include "' include/daglet/*.h | grep -vE '"(base|daglet)/' |
	sed 's/$/: include\/daglet may not include that/' >>"$work/bad" || true

# 6. Every room says what it is for, and so does every header.
for d in src/*/; do
	room=$(basename "$d")
	if [ -s "$d/local.mk" ] && ! head -1 "$d/local.mk" | grep -q "^# $room: "; then
		bad "$d""local.mk: its first line does not say \"# $room: what it is for\""
	fi
done
find src include/daglet -name '*.h' | sort | while read -r f; do
	name=${f#src/}
	name=${name#include/}
	head -1 "$f" | grep -qF "/* $name: " ||
		bad "$f: its first line does not say \"/* $name: what it is for\""
	guard=$(sed -n 's/^#ifndef //p' "$f" | head -1)
	[ -n "$guard" ] && grep -q "^#define $guard\$" "$f" || bad "$f: it has no guard"
done

# 7. Files stay small.
find src include tests contrib docs man systemd -type f \
	\( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name '*.mk' \) |
	sort | while read -r f; do
	n=$(wc -l <"$f")
	[ "$n" -le 800 ] || bad "$f: $n lines, more than 800"
done

if [ -s "$work/bad" ]; then
	cat "$work/bad" >&2
	exit 1
fi
echo "walls: $(wc -l <"$work/own") includes, $(wc -l <"$work/edges") arrows between rooms"
