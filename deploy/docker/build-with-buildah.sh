#!/usr/bin/env bash
# Builds the images where there is neither a Docker engine nor a registry, and tries them out.
#
#   sudo deploy/docker/build-with-buildah.sh                    server, app and pipeline
#   sudo deploy/docker/build-with-buildah.sh server             some of them
#   sudo deploy/docker/build-with-buildah.sh --no-try test      only build
#
# It needs root on Debian or Ubuntu, Debian's mirrors and PyPI. The base image is made by debootstrap
# in the place of Docker Hub's. DEBIAN_MIRROR names another mirror; HTTP_PROXY and its like are
# heeded; the certificates in SSL_CERT_FILE, where that is set, are trusted during the build.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly MIRROR="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
readonly BASE=localhost/debian:trixie-minbase

main() {
    local try=yes
    [ "${1:-}" != --no-try ] || { try=no; shift; }
    local targets=("$@")
    [ $# -gt 0 ] || targets=(server app pipeline)
    [ "$(id -u)" = 0 ] || fail "This needs root: it makes file systems and mounts them."
    install_programs
    buildah inspect --type image "$BASE" >/dev/null 2>&1 || make_base
    for target in "${targets[@]}"; do
        build "$target"
    done
    buildah images --filter reference='localhost/emotion-tfx-*' --format '{{.Name}}:{{.Tag}} {{.Size}}'
    [ $try = no ] || deploy/docker/try-images.sh "${targets[@]}"
}

fail() {
    echo "error: $*" >&2
    exit 2
}

install_programs() {
    local missing=()
    command -v buildah >/dev/null || missing+=(buildah)
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "Install ${missing[*]}."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
}

make_base() {
    local folder container
    folder=$(mktemp -d)
    # shellcheck disable=SC2064  # The folder's name now, not at the end.
    trap "rm -rf '$folder'" EXIT
    debootstrap --variant=minbase --include=ca-certificates trixie "$folder" "$MIRROR"
    {
        echo "deb $MIRROR trixie main"
        echo "deb $MIRROR trixie-updates main"
        echo "deb ${MIRROR%/}-security trixie-security main"
    } >"$folder/etc/apt/sources.list"
    # As slim as Docker Hub's: without documentation, also of what is installed later.
    printf 'path-exclude /usr/share/%s/*\n' doc info locale man \
        >"$folder/etc/dpkg/dpkg.cfg.d/slim"
    rm -rf "$folder"/usr/share/{doc,info,locale,man}/* \
        "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$folder" / >/dev/null
    buildah commit --quiet --rm "$container" "$BASE" >/dev/null
}

build() {
    local options=()
    if [ -n "${SSL_CERT_FILE:-}" ]; then
        options+=(--volume "$SSL_CERT_FILE:/etc/ssl/certs/ca-certificates.crt:ro")
    fi
    # Docker's format, since OCI's has no health checks.
    buildah build --isolation chroot --format docker --layers "${options[@]}" \
        --build-arg "BASE=$BASE" --target "$1" --tag "localhost/emotion-tfx-$1" .
}

main "$@"
