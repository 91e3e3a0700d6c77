"""Kaldi-style recipes: numbered stages that skip what is done, resume what was killed, and say what is missing."""
