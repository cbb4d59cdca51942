#!/usr/bin/env bash
# Prepares this machine for Muniment; the Makefile calls it. Safe and quick to repeat.
#
#   tools/setup.sh python           virtual environment .venv from requirements.lock
#   tools/setup.sh packages NAME…   Debian packages, when missing, when root
#   tools/setup.sh cyrus            a private Cyrus IMAP server in the cache folder (only tests use it)
#   tools/setup.sh opensearch       jars that run an OpenSearch node in the cache folder (tests and benchmarks)
#
# Servers are wishes: where they cannot be had, this says what to install and succeeds;
# the tests then skip (and fail when CI is set), `muniment demo` explains.
set -euo pipefail
cd "$(dirname "$0")/.."

# cron, systemd and `env -i` set no HOME.
if [ -z "${HOME:-}" ]; then HOME=$(getent passwd "$(id -u)" | cut -d: -f6) && export HOME; fi
cache="${XDG_CACHE_HOME:-$HOME/.cache}/muniment"
scratch=

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
can_install() { [ "$(id -u)" = 0 ] && have apt-get; }
clean_up() {
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ -z "${policy:-}" ] || rm -f "$policy"
}
trap clean_up EXIT

# --- Debian packages -------------------------------------------------------------------------

apt() {
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" </dev/null >&2
}

updated=
update_once() {
    # A foreign repository that is down must not stop us: the install below is the real test.
    [ -n "$updated" ] || apt update || say "apt-get update reported errors; trying with what is known"
    updated=yes
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_missing() {
    local missing=() name
    for name in "$@"; do is_installed "$name" || missing+=("$name"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    hold_services
    update_once
    apt install -y --no-install-recommends "${missing[@]}" || return 1
    release_services "${missing[@]}"
}

# A server that we start ourselves is wanted, a system service that listens on port 143 is not.
policy=
hold_services() {
    [ ! -e /usr/sbin/policy-rc.d ] || return 0
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

release_services() {
    local name
    for name in "$@"; do
        case $name in
            dovecot-*)
                if have systemctl; then systemctl disable dovecot.service dovecot.socket >/dev/null 2>&1 || true; fi
                if have update-rc.d; then update-rc.d dovecot disable >/dev/null 2>&1 || true; fi
                ;;
            prometheus)
                if have systemctl; then systemctl disable prometheus.service >/dev/null 2>&1 || true; fi
                if have update-rc.d; then update-rc.d prometheus disable >/dev/null 2>&1 || true; fi
                ;;
        esac
    done
    if [ -n "$policy" ]; then rm -f "$policy"; fi
    policy=
}

setup_packages() {
    local program name missing=()
    for name in "$@"; do
        case $name in
            dovecot-imapd) program=dovecot ;;
            dovecot-pop3d) program=/usr/lib/dovecot/pop3 ;;
            isync) program=mbsync ;;
            getmail6) program=getmail ;;
            offlineimap3) program=offlineimap ;;
            openjdk-*) program=java ;;
            *) program=$name ;;
        esac
        have "$program" || [ -x "/usr/sbin/$program" ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! can_install; then
        say "not installed: ${missing[*]}. On Debian or Ubuntu: sudo apt-get install ${missing[*]}"
    elif ! install_missing "${missing[@]}"; then
        say "could not install ${missing[*]}; see apt-get's messages above"
    fi
}

# --- Cyrus, unpacked because its package conflicts with Dovecot's ------------------------------

# The server, and every library below it that a minimal Debian 12 may lack.
cyrus_debs=(
    cyrus-common cyrus-imapd sasl2-bin libsasl2-2 libsasl2-modules libsasl2-modules-db libical3 libpcre3
    libxapian30 libicu72 libjansson4 libwrap0 libnsl2 libtirpc3 libldap-2.5-0 libpq5 libxml2 libglib2.0-0
    libsqlite3-0 libzephyr4 libdb5.3 libkeyutils1 libkrb5-3 libkrb5support0 libk5crypto3 libgssapi-krb5-2
    libcom-err2 libssl3 libbrotli1 libnghttp2-14
)

setup_cyrus() {
    # The version in the name: a changed list of packages is a new folder.
    local home="$cache/cyrus-$(printf '%s\n' "${cyrus_debs[@]}" | sha256sum | cut -c1-12)"
    if [ ! -e "$home" ]; then
        if ! have apt-get || ! have dpkg; then
            say "Cyrus is unpacked from Debian packages; there is no apt-get here, its tests will be skipped"
            return 0
        fi
        say "unpacking Cyrus into $home"
        mkdir -p "$cache"
        scratch=$(mktemp -d "$cache/cyrus.XXXXXX")
        if can_install; then update_once; fi
        if ! (cd "$scratch" && apt -o APT::Sandbox::User=root download "${cyrus_debs[@]}"); then
            say "could not download Cyrus (wants Debian 12 package sources); its tests will be skipped"
            return 0
        fi
        local deb
        for deb in "$scratch"/*.deb; do dpkg -x "$deb" "$scratch"; done
        rm -f "$scratch"/*.deb
        chmod 755 "$scratch"
        # `mv -T` fails when another setup was faster: then theirs is as good.
        mv -T "$scratch" "$home" 2>/dev/null || [ -e "$home" ]
    fi
    ln -sfn "$home" "$cache/cyrus"
}

# --- OpenSearch, which no registry has as a server ---------------------------------------------

setup_opensearch() {
    local list=tools/opensearch.jars home
    home="$cache/opensearch-$(sha256sum $list | cut -c1-12)"
    if [ ! -e "$home" ]; then
        say "fetching OpenSearch's jars into $home"
        mkdir -p "$cache"
        scratch=$(mktemp -d "$cache/opensearch.XXXXXX")
        if ! grep -v '^#' $list | awk '{print $2}' | (
            cd "$scratch" &&
                xargs -P 6 -I{} curl -fsSL --retry 5 --create-dirs -o {} https://repo1.maven.org/maven2/{} &&
                grep -v '^#' "$OLDPWD/$list" | sha256sum --check --quiet >&2
        ); then
            say "could not fetch OpenSearch from Maven Central; its tests will be skipped"
            return 0
        fi
        chmod 755 "$scratch"
        mv -T "$scratch" "$home" 2>/dev/null || [ -e "$home" ]
    fi
    ln -sfn "$home" "$cache/opensearch"
}

# --- Python ------------------------------------------------------------------------------------

is_usable_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Prints the first Python >= 3.11 that can make virtual environments.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 /usr/bin/python3 python3.11 python3.12 python3.13 python3.14; do
        if is_usable_python "$candidate" && can_make_venv "$candidate"; then
            printf '%s' "$candidate"
            return 0
        fi
    done
    return 1
}

setup_python() {
    local stamp python
    stamp=$({ pwd && cat requirements.lock pyproject.toml tools/setup.sh; } | sha256sum | cut -d' ' -f1)
    if [ "$(cat .venv/.muniment-setup 2>/dev/null)" = "$stamp" ] && [ -x .venv/bin/python ]; then return 0; fi
    if ! python=$(find_python); then
        if can_install; then install_missing python3 python3-venv || true; fi
        if ! python=$(find_python); then
            say "Python 3.11 or newer with venv is needed. On Debian 12: sudo apt-get install python3-venv"
            return 1
        fi
    fi
    # A moved or half-made environment is made anew: its scripts hold absolute paths.
    if ! grep -qxF "$PWD" .venv/.muniment-home 2>/dev/null || ! is_usable_python .venv/bin/python; then
        say "making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
        pwd >.venv/.muniment-home
    fi
    say "installing the locked dependencies"
    local pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input --quiet --retries 10)
    "${pip[@]}" install --require-hashes --only-binary :all: -r requirements.lock
    "${pip[@]}" install --no-deps --no-build-isolation --editable .
    printf '%s\n' "$stamp" >.venv/.muniment-setup
    say "ready"
}

case ${1:-} in
    python) setup_python ;;
    packages) shift && setup_packages "$@" ;;
    cyrus) setup_cyrus ;;
    opensearch) setup_opensearch ;;
    *)
        sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
        exit 64
        ;;
esac
