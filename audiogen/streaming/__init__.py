"""Blockwise generation against the clock: empty so far; codecs stream by `Codec.streamer()`, speech by `TTS.stream`."""
