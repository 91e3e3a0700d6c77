#!/usr/bin/env bash
# Text to sound: a spectrogram codec, an audio/text pair and SpecMaskGIT. `./run.sh --list` shows the stages, `--help`
# the options. DATA=DIR names a folder with sound/, music/samples and speech/; local/download.sh fetches it where there
# is none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

data=${DATA:-$root/../shared/data}
[[ -d $data/sound ]] || data=downloads/data

exec "$root/tools/env" python -m recipes tta1 --cmd "$cmd" --conf conf/cpu.yaml --set data="$data" "$@"
