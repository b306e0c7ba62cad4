#!/bin/sh
# Make sure that Debian's chromium is installed, if this user may install it. Never fails: the
# tests that need it are left out without it, and their summary says so.
set -u

if [ "$(id -u)" = 0 ] && ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
    echo "need-chromium: apt-get install chromium" >&2
    env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; }
    '
fi
exit 0
