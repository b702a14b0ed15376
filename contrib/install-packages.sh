#!/bin/bash
# install-packages.sh [build|test]: the Debian packages that daglet is built with (build, the
# default), and those that its tests need besides (test). Does nothing when all are there.
set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

packages=(gcc libc6-dev make autoconf automake pkg-config
	libcurl4-openssl-dev libnghttp2-dev libyaml-dev libsystemd-dev libsqlite3-dev zlib1g-dev
	libmicrohttpd-dev libgcrypt20-dev
	ca-certificates procps python3 python3-venv)
case ${1:-build} in
build) ;;
test)
	packages+=(binutils clang clang-format-14 libclang-rt-14-dev libcriterion-dev git openssl
		xz-utils)
	;;
*)
	echo "usage: install-packages.sh [build|test]" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "install-packages: this is no Debian; needed are: ${packages[*]}" >&2
	exit 0 # configure says what it misses
fi
missing=()
for package in "${packages[@]}"; do
	# One word per architecture; what dpkg only heard of is "not-installed".
	[[ " $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null)" == *\ installed\ * ]] ||
		missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "install-packages: as root: apt-get install ${missing[*]}" >&2
	exit 1
fi

# apt-get that waits for another one to end (only dpkg's own lock has a time-out).
patiently() {
	local end=$((SECONDS + 600)) out
	out=$(mktemp) || return 1
	while ! apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >"$out" 2>&1; do
		if ! grep -qiE 'could not (get|open) lock|unable to (lock|acquire)' "$out" ||
			[ $SECONDS -ge $end ]; then
			cat "$out" >&2
			rm -f "$out"
			return 1
		fi
		sleep 3
	done
	rm -f "$out"
}
echo "install-packages: ${missing[*]}"
patiently update && patiently install -y --no-install-recommends "${missing[@]}"
