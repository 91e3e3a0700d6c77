"""Music from numbers: scores as plain data, instruments in numpy, and generators of loops and folk-tune excerpts."""
