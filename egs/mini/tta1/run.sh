#!/usr/bin/env bash
# The tta1 recipe on procedural sounds: every stage in a few minutes on two CPU cores, to try the recipe and to test it.
# What it trains makes noise. `./run.sh --list` shows the stages, `--help` the options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

exec "$root/tools/env" python -m recipes tta1 --cmd "$cmd" --conf conf/tiny.yaml "$@"
