#!/usr/bin/env bash
# Kathleen, text to speech: one English speaker, 1.3 h, CC0. `./run.sh --list` shows the stages, `--help` the options.
# KATHLEEN=DIR names the corpus, SENTENCES=FILE the unseen sentences; local/download.sh fetches both where they are not.
# KERSTIN=DIR, a second (German) voice laid out the same way, makes a fifth of the codec's training where it is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

corpus=${KATHLEEN:-$root/../shared/data/speech/kathleen}
sentences=${SENTENCES:-$root/../shared/data/text/test_sentences_en.txt}
[[ -d $corpus ]] || corpus=downloads/kathleen
[[ -f $sentences ]] || sentences=downloads/kathleen/test_sentences_en.txt

kerstin=${KERSTIN:-$root/../shared/data/speech/kerstin}
more=()
[[ -d $kerstin ]] && more=(--set codec_corpora.kerstin="$kerstin/train")

exec "$root/tools/env" python -m recipes tts1 --cmd "$cmd" --conf conf/cpu.yaml \
    --set corpus="$corpus" --set sentences="$sentences" ${more[@]+"${more[@]}"} "$@"
