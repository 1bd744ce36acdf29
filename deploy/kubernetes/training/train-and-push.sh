#!/bin/sh
# train-and-push.sh DATA FOLDER [OPTION...]
#
# Runs `emotion train --data DATA OPTION...`, and puts a model that was good enough into
# FOLDER/models/emotion, for a server that watches it. What the runs leave is kept in
# FOLDER/pipeline.tar, so that the next model is measured against the last; without that file it
# only has to reach the floor. FOLDER may be a mounted bucket: nothing in it is renamed or locked.
set -eu
data=$1
folder=$2
shift 2
: "${EMOTION_OUTPUT:=/tmp/emotion}"
export EMOTION_OUTPUT
pushed=$EMOTION_OUTPUT/serving_model/emotion

mkdir -p "$pushed"
if [ -f "$folder/pipeline.tar" ]; then
    tar -xf "$folder/pipeline.tar" -C "$EMOTION_OUTPUT"
fi
# Not to be pushed again: what is missing of these was rolled back.
before=" $(ls "$pushed" | tr '\n' ' ')"

status=0
emotion train --data "$data" "$@" || status=$?

for version in $(ls "$pushed"); do
    case $before in *" $version "*) continue ;; esac
    target=$folder/models/emotion/$version
    # A folder counts as a version once it holds saved_model.pb, so that file comes last.
    (cd "$pushed/$version" && find . -type f ! -path ./saved_model.pb) | while read -r file; do
        mkdir -p "$target/$(dirname "$file")"
        cp "$pushed/$version/$file" "$target/$file"
    done
    cp "$pushed/$version/saved_model.pb" "$target/saved_model.pb"
    echo "pushed $target"
done

tar -cf "$folder/pipeline.tar" -C "$EMOTION_OUTPUT" .
exit "$status"
