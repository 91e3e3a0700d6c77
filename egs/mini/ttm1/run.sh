#!/usr/bin/env bash
# The ttm1 recipe on tunes that it draws itself, with the codec of mini/vamp1: every stage in a few minutes on two CPU
# cores, to try the recipe and to test it. What it trains makes noise. `./run.sh --list` shows the stages, `--help` the
# options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

codec=../vamp1/exp/tiny/codec/model
[[ -d $codec ]] || ../vamp1/run.sh --stop-stage codec

exec "$root/tools/env" python -m recipes ttm1 --cmd "$cmd" --conf conf/tiny.yaml --set codec="$codec" "$@"
