"""Makes `tiny_voice.py`, a bundled voice with random networks, importable for the tests beside it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
