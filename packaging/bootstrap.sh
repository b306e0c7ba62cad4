#!/bin/sh
# Make a virtual environment with exactly the packages of a hashed lock, and this project in it.
#
#   packaging/bootstrap.sh VENV LOCK
#
# PYTHON names the interpreter to use (default: the first of python3, python3.13, python3.12,
# python3.11 that is new enough). Needs the network for what is not there yet, and nothing
# else: where Debian keeps the venv module apart, it is installed if we may, or done without.
set -eu

venv=$1
lock=$2

say() { printf '%s\n' "bootstrap: $*" >&2; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "needs Python 3.11 or newer; install one and say: make PYTHON=/path/to/python3 ..."
    exit 1
}

# apt_get PACKAGE: install a Debian package, if this user may.
apt_get() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        return 1
    fi
    say "apt-get install $1"
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get install -qq -y --no-install-recommends "$0" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$0" >/dev/null; }
    ' "$1"
}

make_venv() {
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif apt_get "$version-venv" && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif "$python" -c 'import venv' 2>/dev/null && "$python" -m pip --version >/dev/null 2>&1
    then
        "$python" -m venv --clear --without-pip "$venv"
    else
        say "this Python cannot make virtual environments; run: apt-get install $version-venv"
        exit 1
    fi
}

pip() {
    if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
    else
        "${python:=$(find_python)}" -m pip --python "$venv/bin/python" \
            --disable-pip-version-check --no-input "$@"
    fi
}

if ! new_enough "$venv/bin/python"; then
    python=$(find_python)
    say "making $venv with $("$python" --version)"
    make_venv
fi
say "installing $lock"
pip install --quiet --require-hashes --requirement "$lock"
pip install --quiet --no-deps --no-index --no-build-isolation --editable .
