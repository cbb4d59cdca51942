# Quiet steps for the scripts in this folder; sourced, not run.
#
# `step WHAT COMMAND…` prints one line with the time that the command took. The command's own output goes to $log;
# when the command fails, the last lines of that output and the path of the log are printed.

# cron, systemd and `env -i` set no HOME.
if [ -z "${HOME:-}" ]; then HOME=$(getent passwd "$(id -u)" | cut -d: -f6) && export HOME; fi
cache="${XDG_CACHE_HOME:-$HOME/.cache}/muniment"
log="$cache/setup.log"
max_log_bytes=1048576
tail_lines=15
log_is_open=

say() { printf 'setup: %s\n' "$*" >&2; }

open_log() {
    [ -z "$log_is_open" ] || return 0
    log_is_open=yes
    if ! { mkdir -p "$cache" && touch "$log"; } 2>/dev/null; then log=$(mktemp -t muniment-setup.XXXXXX); fi
    if [ "$(wc -c <"$log")" -gt $max_log_bytes ]; then mv -f "$log" "$log.old"; fi
}

step() {
    local what=$1 begin=$SECONDS first status=0
    shift
    open_log
    printf 'setup: %s ... ' "$what" >&2
    printf '== %s: %s\n' "$(date '+%F %T')" "$what" >>"$log"
    first=$(($(wc -l <"$log") + 1))
    "$@" </dev/null >>"$log" 2>&1 || status=$?
    if [ $status -eq 0 ]; then
        printf '%d s\n' $((SECONDS - begin)) >&2
    else
        printf 'failed after %d s\n' $((SECONDS - begin)) >&2
        tail -n "+$first" "$log" | tail -n $tail_lines | cut -c1-240 | sed 's/^/    /' >&2
        say "the whole output is in $log"
    fi
    return $status
}
