#!/bin/sh
# walls-catch.sh: walls.sh finds what it is for: a small tree with one offence of each kind.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd -P)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
mkdir -p tests contrib docs man systemd include/daglet src/base src/json src/status src/poller src/launcher src/odd \
	src/backend/one src/backend/two

header() { # PATH TEXT
	guard=$(echo "$1" | tr 'a-z/.' 'A-Z__')
	printf '/* %s: a room. */\n#ifndef %s\n#define %s\n%s\n#endif\n' \
		"$(echo "$1" | sed 's|^src/||; s|^include/||')" "$guard" "$guard" "$2" >"$1"
}
for room in base json status poller launcher odd backend; do
	echo "# $room: a room." >src/$room/local.mk
done
header src/base/a.h ''
header src/json/b.h '#include "base/a.h"'
header src/backend/one/p.h ''
header include/daglet/x.h '#include "base/a.h"'
"$here/walls.sh" . >/dev/null || {
	echo "walls-catch: a tree without offence does not pass" >&2
	exit 1
}

header src/base/up.h '#include "json/b.h"'
header src/status/role.h '#include "poller/p.h"'
header src/status/net.h '#include <curl/curl.h>'
header src/status/short.h '#include "short2.h"'
header src/launcher/l.h '#include "backend/one/p.h"'
header src/backend/two/q.h '#include "backend/one/p.h"'
header src/odd/o.h '#include "base/a.h"'
header include/daglet/y.h '#include "json/b.h"'
echo 'int x;' >src/json/silent.h
echo >src/poller/local.mk
yes 'int x;' | head -801 >src/json/long.c
if "$here/walls.sh" . >out 2>&1; then
	echo "walls-catch: a tree with offences passes" >&2
	exit 1
fi
status=0
while read -r line; do
	grep -qF -- "$line" out || {
		echo "walls-catch: not said: $line" >&2
		status=1
	}
done <<'END'
src/base/up.h: base may not include json/b.h
src/status/role.h: status may not include poller/p.h
src/status/net.h: status may not include <curl/curl.h>
src/status/short.h: #include "short2.h" does not name its room
src/launcher/l.h: only backend/one knows backend/one/p.h
src/backend/two/q.h: only backend/one knows backend/one/p.h
src/odd/o.h: room odd has no row in tests/walls.sh
include/daglet/y.h:4:#include "json/b.h": include/daglet may not include that
src/json/silent.h: its first line does not say
src/json/silent.h: it has no guard
src/poller/local.mk: its first line does not say
src/json/long.c: 801 lines, more than 800
rooms include each other: 
END
[ $status -eq 0 ] || cat out >&2
exit $status
