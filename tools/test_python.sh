#!/usr/bin/env bash
# Runs the unit stratum (tests/unit and tests/contracts) on other versions of Python; `make test-python` calls it.
#
#   tools/test_python.sh [VERSION…]     default: 3.12 3.13 3.14
#
# Debian releases have 3.13 and 3.14: as root, debootstrap puts one into the cache folder, and the tests run in it by
# chroot. Any other version comes from PATH or pyenv. A version that this machine cannot get is skipped with the reason.
# PYTEST_ARGS is passed on to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/steps.sh

mirror=http://deb.debian.org/debian
home="$cache/pythons"
locked="$(sha256sum requirements.lock | cut -c1-12)"
pip=(-m pip --disable-pip-version-check --no-input)
skipped=77
strata=(tests/unit tests/contracts)

debian_release() {
    case $1 in
        3.13) echo trixie ;;
        3.14) echo sid ;;
        *) return 1 ;;
    esac
}

# --- a Debian release in the cache folder ------------------------------------------------------

make_root() {
    local release=$1 scratch
    scratch=$(mktemp -d "$home/$release.XXXXXX") &&
        debootstrap --variant=minbase --include=python3,python3-venv "$release" "$scratch" "$mirror" &&
        chmod 755 "$scratch" && mv -T "$scratch" "$home/$release" || { rm -rf "$scratch" && return 1; }
}

# Runs a command in the root, at the same path of the same tree. The mounts end with the command.
in_root() {
    local root=$1
    shift
    unshare --mount --propagation private bash -euc '
        root=$1 tree=$2; shift 2
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/tmp"
        # Last, because the tree may lie in /tmp.
        mkdir -p "$root$tree"
        mount --bind "$tree" "$root$tree"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
            PYTHONDONTWRITEBYTECODE=1 bash -c "cd \"\$1\" && shift && exec \"\$@\"" - "$tree" "$@"
    ' - "$root" "$PWD" "$@"
}

# The wheels are fetched outside: the root needs no network, and no settings of pip.
fill_root() {
    local version=$1 root=$2
    rm -rf "$root/venv" "$root/wheels"
    .venv/bin/python "${pip[@]}" download --require-hashes --only-binary :all: --python-version "$version" \
        --progress-bar off --dest "$root/wheels" -r requirements.lock &&
        in_root "$root" "python$version" -m venv /venv &&
        in_root "$root" /venv/bin/python "${pip[@]}" install --no-index --find-links /wheels --require-hashes \
            -r requirements.lock &&
        in_root "$root" /venv/bin/python "${pip[@]}" install --no-index --no-deps --no-build-isolation --editable . &&
        rm -rf "$root/wheels" && printf '%s\n' "$locked $PWD" >"$root/venv/.muniment-setup"
}

test_in_root() {
    local version=$1 release=$2 root
    root="$home/$release"
    mkdir -p "$home"
    if [ ! -e "$root" ]; then
        step "installing Debian $release into $root" make_root "$release" || return $skipped
    fi
    if [ ! -x "$root/usr/bin/python$version" ]; then
        say "Debian $release has no Python $version; delete $root to install it again"
        return $skipped
    fi
    if [ "$(cat "$root/venv/.muniment-setup" 2>/dev/null)" != "$locked $PWD" ]; then
        step "installing the locked dependencies for Python $version" fill_root "$version" "$root" || return 1
    fi
    in_root "$root" /venv/bin/python -m pytest -p no:cacheprovider "${strata[@]}" ${PYTEST_ARGS:-}
}

# --- a Python of this machine ------------------------------------------------------------------

find_python() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return 0
        fi
    done
    return 1
}

fill_venv() {
    local python=$1 venv=$2
    "$python" -m venv --clear "$venv" &&
        "$venv/bin/python" "${pip[@]}" install --progress-bar off --require-hashes --only-binary :all: \
            -r requirements.lock &&
        "$venv/bin/python" "${pip[@]}" install --no-deps --no-build-isolation --editable . &&
        printf '%s\n' "$locked $PWD" >"$venv/.muniment-setup"
}

test_in_venv() {
    local version=$1 python=$2 venv="$home/venv-$1"
    if [ "$(cat "$venv/.muniment-setup" 2>/dev/null)" != "$locked $PWD" ]; then
        step "installing the locked dependencies for Python $version" fill_venv "$python" "$venv" || return 1
    fi
    PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m pytest -p no:cacheprovider "${strata[@]}" ${PYTEST_ARGS:-}
}

# --- choosing ----------------------------------------------------------------------------------

can_make_roots() {
    [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || return 1
    tools/setup.sh packages debootstrap
    PATH=$PATH:/usr/sbin command -v debootstrap >/dev/null
}

test_version() {
    local version=$1 release python status=$skipped
    if release=$(debian_release "$version") && can_make_roots; then
        status=0
        test_in_root "$version" "$release" || status=$?
    fi
    if [ $status -eq $skipped ] && python=$(find_python "$version"); then
        status=0
        test_in_venv "$version" "$python" || status=$?
    elif [ $status -eq $skipped ]; then
        say "Python $version is skipped: not on PATH, not in pyenv, and no Debian root (needs root and debootstrap)"
    fi
    return $status
}

[ $# -gt 0 ] || set -- 3.12 3.13 3.14
results=() failed=0
for version in "$@"; do
    status=0
    test_version "$version" || status=$?
    case $status in
        0) results+=("$version passed") ;;
        "$skipped") results+=("$version skipped") ;;
        *) results+=("$version failed") failed=1 ;;
    esac
done
printf 'Python %s\n' "${results[@]}"
exit $failed
