#!/usr/bin/env bash
# Prepares this machine for Muniment; the Makefile calls it. Quick when there is nothing to do.
#
#   tools/setup.sh python           the virtual environment .venv, from requirements.lock
#   tools/setup.sh packages NAME…   Debian packages that are missing (needs root)
#   tools/setup.sh cyrus            a private Cyrus IMAP server in the cache folder, for the tests
#   tools/setup.sh opensearch       the jars of an OpenSearch node in the cache folder, for tests and benchmarks
#
# Each step prints one line. What pip, apt-get and curl print goes to setup.log in the cache folder.
#
# Servers are optional. Where one cannot be installed, the script says what to install and succeeds: its tests are
# then skipped (in CI they fail), and `muniment demo` explains what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/steps.sh
scratch=

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
        apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" </dev/null
}

updated=
update_once() {
    # A third-party repository that is down must not stop the setup: the installation decides.
    [ -n "$updated" ] || step "reading Debian's package lists" apt update || say "continuing with the present lists"
    updated=yes
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_missing() {
    local missing=() name
    for name in "$@"; do is_installed "$name" || missing+=("$name"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    update_once
    hold_services
    step "installing ${missing[*]}" apt install -y --no-install-recommends "${missing[@]}" || return 1
    release_services "${missing[@]}"
}

# The tests start servers themselves: keep the packages from starting system services, on port 143 for example.
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
        say "continuing without ${missing[*]}"
    fi
}

# --- Cyrus: unpacked, not installed, because its package conflicts with Dovecot's ---------------

# The server, and every library it needs that a minimal Debian 12 may lack.
cyrus_debs=(
    cyrus-common cyrus-imapd sasl2-bin libsasl2-2 libsasl2-modules libsasl2-modules-db libical3 libpcre3
    libxapian30 libicu72 libjansson4 libwrap0 libnsl2 libtirpc3 libldap-2.5-0 libpq5 libxml2 libglib2.0-0
    libsqlite3-0 libzephyr4 libdb5.3 libkeyutils1 libkrb5-3 libkrb5support0 libk5crypto3 libgssapi-krb5-2
    libcom-err2 libssl3 libbrotli1 libnghttp2-14
)

unpack_cyrus() {
    local deb
    (cd "$scratch" && apt -o APT::Sandbox::User=root download "${cyrus_debs[@]}") || return 1
    for deb in "$scratch"/*.deb; do dpkg -x "$deb" "$scratch" || return 1; done
    rm -f "$scratch"/*.deb
    chmod 755 "$scratch"
}

setup_cyrus() {
    # The name contains a hash of the list: another list of packages gets a folder of its own.
    local home="$cache/cyrus-$(printf '%s\n' "${cyrus_debs[@]}" | sha256sum | cut -c1-12)"
    if [ ! -e "$home" ]; then
        if ! have apt-get || ! have dpkg; then
            say "the tests with Cyrus are skipped: it is unpacked from Debian packages, and there is no apt-get"
            return 0
        fi
        mkdir -p "$cache"
        scratch=$(mktemp -d "$cache/cyrus.XXXXXX")
        if can_install; then update_once; fi
        if ! step "unpacking Cyrus into $home" unpack_cyrus; then
            say "the tests with Cyrus are skipped: its packages come from Debian 12"
            return 0
        fi
        # `mv -T` fails when another setup was faster; its result is as good.
        mv -T "$scratch" "$home" 2>/dev/null || [ -e "$home" ]
    fi
    ln -sfn "$home" "$cache/cyrus"
}

# --- OpenSearch: run from its jars, because no package registry has the server ------------------

fetch_opensearch() {
    grep -v '^#' "$1" | awk '{print $2}' | (
        cd "$scratch" &&
            xargs -P 6 -I{} curl -fsSL --retry 5 --create-dirs -o {} https://repo1.maven.org/maven2/{} &&
            grep -v '^#' "$OLDPWD/$1" | sha256sum --check --quiet
    ) || return 1
    chmod 755 "$scratch"
}

setup_opensearch() {
    local list=tools/opensearch.jars home
    home="$cache/opensearch-$(sha256sum $list | cut -c1-12)"
    if [ ! -e "$home" ]; then
        mkdir -p "$cache"
        scratch=$(mktemp -d "$cache/opensearch.XXXXXX")
        if ! step "fetching the jars of OpenSearch into $home" fetch_opensearch "$list"; then
            say "the tests with OpenSearch are skipped: its jars come from Maven Central"
            return 0
        fi
        mv -T "$scratch" "$home" 2>/dev/null || [ -e "$home" ]
    fi
    ln -sfn "$home" "$cache/opensearch"
}

# --- Python ------------------------------------------------------------------------------------

is_usable_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Prints the first Python from 3.11 on that can make virtual environments.
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

# In a git checkout, `git commit` opens with the template, unless another one is configured.
use_commit_template() {
    [ "$(git rev-parse --is-inside-work-tree 2>/dev/null)" = true ] || return 0
    [ -n "$(git config commit.template)" ] || git config commit.template .gitmessage || true
}

setup_python() {
    local stamp python
    stamp=$({ pwd && cat requirements.lock pyproject.toml tools/setup.sh tools/steps.sh; } | sha256sum | cut -d' ' -f1)
    if [ "$(cat .venv/.muniment-setup 2>/dev/null)" = "$stamp" ] && [ -x .venv/bin/python ]; then return 0; fi
    if ! python=$(find_python); then
        if can_install; then install_missing python3 python3-venv || true; fi
        if ! python=$(find_python); then
            say "Muniment needs Python 3.11 or newer with venv. On Debian 12: sudo apt-get install python3-venv"
            return 1
        fi
    fi
    # The scripts of an environment contain absolute paths: after a move, or when it is incomplete, start again.
    if ! grep -qxF "$PWD" .venv/.muniment-home 2>/dev/null || ! is_usable_python .venv/bin/python; then
        step "making .venv with $("$python" --version)" "$python" -m venv --clear .venv
        pwd >.venv/.muniment-home
    fi
    local pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input --retries 10)
    step "installing the locked dependencies" \
        "${pip[@]}" install --progress-bar off --require-hashes --only-binary :all: -r requirements.lock
    step "installing Muniment into .venv" "${pip[@]}" install --no-deps --no-build-isolation --editable .
    use_commit_template
    printf '%s\n' "$stamp" >.venv/.muniment-setup
}

case ${1:-} in
    python) setup_python ;;
    packages) shift && setup_packages "$@" ;;
    cyrus) setup_cyrus ;;
    opensearch) setup_opensearch ;;
    *)
        sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
        exit 64
        ;;
esac
