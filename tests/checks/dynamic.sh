#!/bin/sh
# dynamic.sh: each program is linked to the libraries it may use and to no other. "make
# check" sets CHECKED_PROGRAMS (as built, relative to the build folder).
set -eu

programs="daglet daglet-ledger daglet-status daglet-poller daglet-reporter
	daglet-launcher-process daglet-run dagletctl"

# What a program may need beside the C library; it does not have to need it.
allowed() {
	case $1 in
	daglet) echo systemd yaml-0 ;;
	daglet-ledger) echo systemd sqlite3 gcrypt ;;
	daglet-status) echo systemd microhttpd ;;
	daglet-poller) echo systemd curl z gcrypt ;;
	daglet-reporter) echo systemd curl z gcrypt ;;
	daglet-launcher-process) echo systemd nghttp2 yaml-0 z gcrypt ;;
	daglet-run) echo ;;
	dagletctl) echo curl ;;
	*) return 1 ;;
	esac
}

status=0
for name in $programs; do
	case " $CHECKED_PROGRAMS " in
	*"/$name "* | *" $name "*) ;;
	*)
		echo "$name: is not built" >&2
		status=1
		;;
	esac
done
for program in $CHECKED_PROGRAMS; do
	name=$(basename "$program")
	if ! may=$(allowed "$name"); then
		echo "$name: no row in tests/checks/dynamic.sh says what it may use" >&2
		status=1
		continue
	fi
	needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[lib\(.*\)\.so.*/\1/p')
	for lib in $needed; do
		case " c m gcc_s asan ubsan lsan tsan pthread dl rt resolv $may " in
		*" $lib "*) ;;
		*)
			echo "$name: linked to lib$lib; it may use: ${may:-nothing}" >&2
			status=1
			;;
		esac
	done
	echo "$name:" $needed
done
exit $status
