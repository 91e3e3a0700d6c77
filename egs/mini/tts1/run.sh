#!/usr/bin/env bash
# The tts1 recipe on 20 utterances that live in this folder: every stage in a few minutes on two CPU cores, to try the
# recipe and to test it. What it trains does not speak. `./run.sh --list` shows the stages, `--help` the options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

exec "$root/tools/env" python -m recipes tts1 --cmd "$cmd" --conf conf/tiny.yaml "$@"
