#!/bin/sh
# Prints the nginx configuration for some servers, each as HOST:REST_PORT:GRPC_PORT:
#   deploy/nginx/configure.sh 10.0.0.1:8501:8500 10.0.0.2:8501:8500 \
#     >/etc/nginx/conf.d/emotion.conf && nginx -t && nginx -s reload
# Settings: REST_PORT and GRPC_PORT that nginx listens on (8501 and 8500), ACCESS_LOG.
set -eu
[ $# -gt 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# Three failures within 5 s take a server out for 5 s; then one request tries it again.
rest='' grpc=''
for server in "$@"; do
    host=${server%:*:*} ports=${server#"${server%:*:*}":}
    case $ports in
    "$server" | *[!0-9:]* | :* | *:) echo "$server is not HOST:REST_PORT:GRPC_PORT" >&2; exit 2 ;;
    esac
    rest="$rest server $host:${ports%:*} max_fails=3 fail_timeout=5s;"
    grpc="$grpc server $host:${ports#*:} max_fails=3 fail_timeout=5s;"
done

sed -e "s|@REST_SERVERS@|${rest# }|" -e "s|@GRPC_SERVERS@|${grpc# }|" \
    -e "s|@REST_PORT@|${REST_PORT:-8501}|" -e "s|@GRPC_PORT@|${GRPC_PORT:-8500}|" \
    -e "s|@ACCESS_LOG@|${ACCESS_LOG:-/var/log/nginx/emotion.log}|" \
    "$(dirname "$0")/emotion.conf.template"
