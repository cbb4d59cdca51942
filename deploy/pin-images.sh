#!/bin/sh
# Pins the images of docker-compose.yml by digest: a tag can be moved to another image, a digest cannot.
#
#   sh deploy/pin-images.sh [FILE]      FILE: by default, .env next to docker-compose.yml
#
# Pulls each image that deploy/compose.env.example names and writes NAME_IMAGE=image:tag@sha256:… to FILE; its other
# lines are kept. Repeat it to move to the images that the tags name then. If one pull fails, nothing is written.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
file=${1:-$here/../.env}
draft=$file.$$
trap 'rm -f "$draft"' EXIT

[ ! -e "$file" ] || grep -v '^[A-Z]*_IMAGE=' "$file" >"$draft" || :
for line in $(grep '^[A-Z]*_IMAGE=' "$here/compose.env.example"); do
    image=${line#*=}
    docker pull --quiet "$image" >/dev/null
    digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")
    case $digest in
        *@sha256:*) ;;
        *) echo "$image has no digest: it does not come from a registry" >&2; exit 1 ;;
    esac
    echo "${line%%=*}=$image@${digest#*@}" | tee -a "$draft"
done
mv "$draft" "$file"
