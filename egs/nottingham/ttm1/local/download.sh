#!/usr/bin/env bash
# Fetches the folk tunes (GPL-3.0) from their public repository, with the other data of egs/loops/vamp1, whose script
# does it, and puts them into downloads/music, where run.sh looks when ../shared/data/music is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

../../loops/vamp1/local/download.sh
mkdir -p downloads
ln -sfn ../../../loops/vamp1/downloads/music downloads/music
