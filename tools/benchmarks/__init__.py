"""What `tools/bench.py` measures, a file per kind of sound."""
