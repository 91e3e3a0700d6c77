"""Sounds of every day by synthesis: weather, machines, signals, strokes, animals and people, with captions."""
