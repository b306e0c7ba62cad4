#!/bin/sh
# Make sure that this machine can boot disposable hosts, if this user may install what that
# takes. Never fails: the tests that need it are left out without it, and their summary says so.
set -u

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    wanted=
    need() { command -v "$1" >/dev/null || wanted="$wanted $2"; }
    need systemd-nspawn systemd-container
    need mmdebstrap mmdebstrap
    need nft nftables
    need ip iproute2
    need ssh openssh-client
    if [ -n "$wanted" ]; then
        echo "need-host: apt-get install$wanted" >&2
        env DEBIAN_FRONTEND=noninteractive sh -c '
            apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 ||
            { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null; }
        ' need-host $wanted
    fi
fi
exit 0
