#!/bin/sh
# Make sure that a program is on PATH, if this user may install it: PROGRAM, the Debian package it
# comes in, and what will not run without it. Never fails: those tests are left out, and their
# summary says so.
#
#   packaging/need.sh redis-server redis-server 'tests that need one'
set -u

command -v "$1" >/dev/null && exit 0
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        as_root=none
    fi
    if [ "$as_root" != none ]; then
        echo "need: apt-get install $2" >&2
        $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
            apt-get install -qq -y --no-install-recommends "$0" >/dev/null 2>&1 ||
            { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$0" >/dev/null; }
        ' "$2"
    fi
fi
command -v "$1" >/dev/null || echo "need: no $1; $3 will not run" >&2
exit 0
