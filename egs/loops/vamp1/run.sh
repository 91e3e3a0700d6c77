#!/usr/bin/env bash
# Loops, vamping: a music codec and VampNet. `./run.sh --list` shows the stages, `--help` the options.
# MUSIC=DIR names a folder with samples/ (recordings, CC0) and nottingham/ (folk tunes as MIDI, GPL-3.0 data, read where
# they are); local/download.sh fetches both where they are not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

music=${MUSIC:-$root/../shared/data/music}
[[ -d $music ]] || music=downloads/music

exec "$root/tools/env" python -m recipes vamp1 --cmd "$cmd" --conf conf/cpu.yaml \
    --set samples="$music/samples" --set tunes="$music/nottingham" "$@"
