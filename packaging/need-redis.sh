#!/bin/sh
# Make sure that a redis-server is on PATH, if this user may install one. Never fails: the
# tests that need it are left out without it, and their summary says so.
set -u

command -v redis-server >/dev/null && exit 0
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        as_root=none
    fi
    if [ "$as_root" != none ]; then
        echo "need-redis: apt-get install redis-server" >&2
        $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
            apt-get install -qq -y redis-server >/dev/null 2>&1 ||
            { apt-get update -qq && apt-get install -qq -y redis-server >/dev/null; }
        '
    fi
fi
command -v redis-server >/dev/null ||
    echo "need-redis: no redis-server; tests that need one will not run" >&2
exit 0
