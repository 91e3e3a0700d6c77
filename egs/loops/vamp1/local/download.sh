#!/usr/bin/env bash
# Fetches the recordings (Sonic Pi's samples, CC0 1.0; one of librosa's examples, public domain) and the folk tunes
# (GPL-3.0) of this recipe from their public repositories, about 100 MB, and puts them into downloads/music, where run.sh
# looks when ../shared/data/music is not there.
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
clone https://github.com/sonic-pi-net/sonic-pi downloads/clones/sonic-pi '/etc/samples/*.flac'
clone https://github.com/librosa/data downloads/clones/librosa-data '/audio/Hungarian_Dance_number_5*'
clone https://github.com/jukedeck/nottingham-dataset downloads/clones/nottingham-dataset
"$root/tools/env" python local/prepare.py downloads/clones downloads/music.part
mv downloads/music.part downloads/music
