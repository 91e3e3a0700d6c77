#!/usr/bin/env bash
# The vamp1 recipe on loops that it generates itself: every stage in a few minutes on two CPU cores, to try the recipe
# and to test it. What it trains does not sound good. `./run.sh --list` shows the stages, `--help` the options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

exec "$root/tools/env" python -m recipes vamp1 --cmd "$cmd" --conf conf/tiny.yaml "$@"
