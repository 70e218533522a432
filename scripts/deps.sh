#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh KIND...: install the Debian packages of scripts/packages.txt whose second column is one of KIND (build, test, analyse)
# and which this machine lacks. Says and does nothing when none is missing, so it needs no network and no rights then.
set -euo pipefail
list="$(dirname "$0")/packages.txt"
[ $# -gt 0 ] || { echo "usage: deps.sh build|test|analyse ..." >&2; exit 2; }

missing=()
while IFS=$'\t' read -r name kind; do
	for want in "$@"; do
		if [ "$kind" = "$want" ]; then
			status=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)
			[ "$status" = installed ] || missing+=("$name")
		fi
	done
done < "$list"
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
		echo "deps: these Debian packages are missing: ${missing[*]}" >&2
		echo "deps: neither root nor password-less sudo; run: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo -n)
fi

echo "deps: installing ${missing[*]}"
get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The machine's package lists may be absent or old: fetch them once and try again.
if ! get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
	if ! { get update && get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
		tail -15 "$log" >&2
		echo "deps: apt-get could not install: ${missing[*]} (is a Debian package network reachable?)" >&2
		exit 1
	fi
fi
