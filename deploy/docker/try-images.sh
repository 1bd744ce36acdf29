#!/usr/bin/env bash
# Runs images that buildah has built as compose.yaml would have Docker run them, and asks them
# something:
#
#   sudo deploy/docker/try-images.sh server app pipeline
#
# Each runs with its own entry point and command as process 1 of its own process namespace, as the
# image's user, without capabilities and without a way to gain any, on a read-only root file system,
# with /tmp and, where compose.yaml mounts it so, the volume to write to. All share one network of
# their own. Not shown: Docker's own network between containers, its limits on memory, its seccomp
# profile, and that it heeds the health checks, whose commands are run here instead.
set -euo pipefail

readonly HOME_FOLDER=/var/lib/emotion
readonly PREDICT=http://127.0.0.1:8501/v1/models/emotion:predict
readonly BODY='{"signature_name": "classify_text", "instances": ["i feel wonderful today"]}'

declare -A containers folders

main() {
    [ "$(id -u)" = 0 ] || { echo "error: This needs root." >&2; exit 2; }
    if [ "${IN_NAMESPACES:-}" != yes ]; then
        IN_NAMESPACES=yes exec unshare --net --mount --propagation private "$0" "$@"
    fi
    ip link set lo up
    work=$(mktemp -d)
    trap clean_up EXIT
    mkdir "$work/volume"
    local target
    for target in "$@"; do
        containers[$target]=$(buildah from "localhost/emotion-tfx-$target")
        folders[$target]=$(buildah mount "${containers[$target]}")
    done
    for target in "$@"; do
        echo "== $target"
        "try_$target"
    done
}

clean_up() {
    local code=$? target
    [ $code = 0 ] || tail -n 40 "$work"/*.log >&2 || true
    for target in "${!running[@]}"; do
        kill -KILL "${running[$target]}" 2>/dev/null || true
    done
    wait
    for target in "${!containers[@]}"; do
        umount --recursive --lazy "${folders[$target]}" 2>/dev/null || true
        buildah rm "${containers[$target]}" >/dev/null || true
    done
    rm -rf "$work"
}

declare -A running

try_server() {
    start server ro
    until_healthy server
    local answer
    answer=$(curl -fsS "$PREDICT" -d "$BODY")
    echo "predict: $answer"
    grep -q '"joy"' <<<"$answer" || fail "the server does not answer joy"
    curl -fsS http://127.0.0.1:8501/monitoring/prometheus/metrics |
        grep -q '^:tensorflow:serving:request_count' || fail "no metrics"
    stop server
}

try_app() {
    start app rw
    until_healthy app
    curl -fsS http://127.0.0.1:8502/ | grep -qi '<html' || fail "the app shows no page"
    stop app
}

try_pipeline() {
    # Without a network there is the bundled sample.
    (in_image pipeline rw train) >"$work/pipeline.log" 2>&1 || fail "training has failed"
    grep -E '^(report|pushed)' "$work/pipeline.log"
    if [ -n "${folders[server]:-}" ]; then
        start server ro serve --host 0.0.0.0 \
            --model-base "$HOME_FOLDER/output/sample/serving_model/emotion"
        until_healthy server
        echo "predict, with that model: $(curl -fsS "$PREDICT" -d "$BODY")"
        stop server
    fi
}

fail() {
    echo "error: $*" >&2
    exit 1
}

# in_image TARGET ro|rw [COMMAND...]: the image's entry point with that command, or with its own
in_image() {
    local target=$1 access=$2 entry
    shift 2
    mapfile -t entry < <(config "$target" Entrypoint)
    [ $# -gt 0 ] || mapfile -t < <(config "$target" Cmd)
    [ $# -gt 0 ] || set -- "${MAPFILE[@]}"
    confined "$target" "$access" "${entry[@]}" "$@"
}

# confined TARGET ro|rw COMMAND...
confined() {
    local target=$1 access=$2 root=${folders[$1]} environment user
    shift 2
    mapfile -t environment < <(config "$target" Env)
    user=$(buildah inspect --type image --format "{{.OCIv1.Config.User}}" "localhost/emotion-tfx-$target")
    # shellcheck disable=SC2016  # The inner shell expands it.
    exec unshare --mount --pid --fork --kill-child --propagation private \
        bash -euc '
            root=$1 access=$2 volume=$3 user=$4; shift 4
            mount --bind "$root" "$root"
            mount --rbind /dev "$root/dev"
            mount -t proc proc "$root/proc"
            mount -t tmpfs tmpfs "$root/tmp"
            chown --reference="$root/var/lib/emotion" "$volume"
            mount --bind "$volume" "$root/var/lib/emotion"
            mount -o remount,bind,ro "$root"
            mount -o "remount,bind,$access" "$root/var/lib/emotion"
            cd /
            exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups \
                --no-new-privs --inh-caps=-all --ambient-caps=-all --bounding-set=-all \
                env -i HOME=/var/lib/emotion "$@"
        ' - "$root" "$access" "$work/volume" "$user" "${environment[@]}" "$@"
}

config() {
    buildah inspect --type image --format "{{range .OCIv1.Config.$2}}{{println .}}{{end}}" \
        "localhost/emotion-tfx-$1" | sed '/^$/d'
}

start() {
    local target=$1
    (in_image "$@") >"$work/$target.log" 2>&1 &
    running[$target]=$!
}

# The command of the image's own health check, inside the image
until_healthy() {
    local target=$1 check second
    mapfile -t check < <(buildah inspect --type image \
        --format '{{range .Docker.Config.Healthcheck.Test}}{{println .}}{{end}}' \
        "localhost/emotion-tfx-$target" | sed '/^$/d; 1{/^CMD$/d}')
    for second in $(seq 90); do
        kill -0 "${running[$target]}" 2>/dev/null || fail "the $target has ended"
        if (confined "$target" ro "${check[@]}") >/dev/null 2>&1; then
            echo "healthy after $second attempts"
            return
        fi
        sleep 1
    done
    fail "the $target does not become healthy"
}

# SIGTERM to process 1, as `docker stop` sends it
stop() {
    local unshare=${running[$1]} code=0
    kill -TERM "$(pgrep -P "$unshare")"
    wait "$unshare" || code=$?
    unset "running[$1]"
    echo "ended with code $code on SIGTERM"
    [ $code = 0 ] || fail "SIGTERM did not end the $1 cleanly"
}

main "$@"
