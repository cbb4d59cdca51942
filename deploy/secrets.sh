#!/bin/sh
# Creates the secrets that docker-compose.yml mounts. Safe to repeat: existing files are kept.
#
#   sh deploy/secrets.sh [DIR]      DIR: by default, the folder "secrets" next to this script
#
# Only you can enter the folder (0700). The files in it are readable (0444), because Compose mounts
# them with their modes and the processes in the containers do not run as root.
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"

random_hex() { od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n'; }

# keep NAME TEXT: write TEXT to NAME unless the file exists. The text is written to a temporary file
# that is then linked into place, so an interrupted run leaves either no file or a complete one.
keep() {
    [ -e "$folder/$1" ] && return
    printf '%s\n' "$2" >"$folder/.$1.$$"
    chmod 444 "$folder/.$1.$$"
    ln "$folder/.$1.$$" "$folder/$1"
    rm -f "$folder/.$1.$$"
    echo "created $folder/$1"
}

keep postgres_password "$(random_hex)"
keep database_url "postgresql://muniment:$(cat "$folder/postgres_password")@postgres:5432/muniment"
# The superuser's URL above is for the service `roles` only. It creates these two roles with these passwords.
keep owner_database_url "postgresql://muniment_owner:$(random_hex)@postgres:5432/muniment"
keep runtime_database_url "postgresql://muniment_runtime:$(random_hex)@postgres:5432/muniment"
keep redis_config "requirepass $(random_hex)"
keep redis_url "redis://:$(sed -n 's/^requirepass //p' "$folder/redis_config")@redis:6379/0"
keep secret_key "$(head -c 32 /dev/urandom | base64)"
keep flower_password "$(random_hex)"
# OpenSearch requires upper case, lower case, a digit and a special character.
keep opensearch_password "Mn-$(random_hex)"
keep opensearch_url "http://admin:$(cat "$folder/opensearch_password")@opensearch:9200"
