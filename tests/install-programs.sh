#!/bin/sh
# Installs the programs that some tests need beyond Python, where that is possible without asking:
# as root on a system with apt. Elsewhere those tests say that they are skipped, and why.
set -eu
command -v prometheus >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y prometheus >/dev/null ||
        echo "Prometheus could not be installed; its test will be skipped." >&2
fi
