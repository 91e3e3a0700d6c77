#!/usr/bin/env bash
# Fetches the speech of this recipe (CC0 1.0; about 0.8 GB) and the unseen sentences from their public repositories,
# and converts them to downloads/kathleen, where run.sh looks when ../shared/data/speech/kathleen is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ./path.sh

clone() { [[ -d $2 ]] || { git clone --depth 1 "$1" "$2.part" && mv "$2.part" "$2"; }; }

mkdir -p downloads
clone https://github.com/rhasspy/dataset-voice-kathleen downloads/dataset-voice-kathleen
clone https://github.com/adsgray/harvard-sentences-ipsum downloads/harvard-sentences-ipsum
"$root/tools/env" python local/prepare.py downloads/dataset-voice-kathleen downloads/kathleen \
    --harvard downloads/harvard-sentences-ipsum --nj "${NJ:-$(getconf _NPROCESSORS_ONLN)}"
