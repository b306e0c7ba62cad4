#!/bin/sh
# Make sure that chromium is on PATH, if this user may install it. Never fails: the tests that
# need it are left out without it, and their summary says so.
set -u

command -v chromium >/dev/null && exit 0
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        as_root=none
    fi
    if [ "$as_root" != none ]; then
        echo "need-chromium: apt-get install chromium" >&2
        $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
            apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1 || {
                apt-get update -qq &&
                apt-get install -qq -y --no-install-recommends chromium >/dev/null
            }
        '
    fi
fi
command -v chromium >/dev/null ||
    echo "need-chromium: no chromium; tests in a browser will not run" >&2
exit 0
