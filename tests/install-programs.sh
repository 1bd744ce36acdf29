#!/bin/sh
# Installs the programs that some tests need beyond Python, where that is possible without asking:
# as root on a system with apt. Elsewhere those tests say that they are skipped, and why.
set -eu
missing=
command -v prometheus >/dev/null || missing="prometheus"
command -v chromium >/dev/null || missing="$missing chromium fonts-noto-color-emoji"
command -v nginx >/dev/null || missing="$missing nginx-light"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing >/dev/null ||
        echo "Not installed: $missing. Their tests will be skipped." >&2
fi
