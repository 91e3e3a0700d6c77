#!/usr/bin/env bash
# Fetches the recordings of this recipe (ESC-10, CC BY 3.0 as a set; effects of rse/soundfx and Sonic Pi's samples, of
# which the CC0 ones are used; spoken digits, CC BY-SA 4.0, which are only probed) from their public repositories, about
# 150 MB, and the speech of egs/kathleen/tts1 (CC0, 0.8 GB) by its script. Puts them into downloads/data, where run.sh
# looks when ../shared/data is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ./path.sh

clone() { # URL FOLDER [PATTERN]: only the files that match the pattern
    [[ -d $2 ]] && return
    git clone --depth 1 --filter=blob:none --no-checkout "$1" "$2.part"
    [[ -z ${3:-} ]] || git -C "$2.part" sparse-checkout set --no-cone "$3"
    git -C "$2.part" checkout -q
    mv "$2.part" "$2"
}

mkdir -p downloads/clones
clone https://github.com/karolpiczak/ESC-10 downloads/clones/ESC-10
clone https://github.com/rse/soundfx downloads/clones/soundfx '/soundfx.d/*.mp3'
clone https://github.com/sonic-pi-net/sonic-pi downloads/clones/sonic-pi '/etc/samples/*.flac'
clone https://github.com/Jakobovski/free-spoken-digit-dataset downloads/clones/free-spoken-digit-dataset
"$root/tools/env" python local/prepare.py downloads/clones downloads/data.part
../../kathleen/tts1/local/download.sh
ln -sfn ../../../../../kathleen/tts1/downloads/kathleen downloads/data.part/speech/kathleen
mv downloads/data.part downloads/data
