#!/usr/bin/env bash
# Text to music: MAGNeT and its autoregressive twin. `./run.sh --list` shows the stages, `--help` the options.
# MUSIC=DIR names a folder with nottingham/ (folk tunes as MIDI, GPL-3.0 data, read where they are); local/download.sh
# fetches it where there is none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

music=${MUSIC:-$root/../shared/data/music}
[[ -d $music ]] || music=downloads/music

exec "$root/tools/env" python -m recipes ttm1 --cmd "$cmd" --conf conf/cpu.yaml --set tunes="$music/nottingham" "$@"
