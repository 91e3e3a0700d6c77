"""audiogen: masked generation of speech, music and sound.

`import audiogen` is light: a name is imported when it is first used.

    audiogen.TTS()          text in, speech out
    audiogen.Music()        a caption in, music out
    audiogen.Sound()        a caption in, a sound out; sounds mended, extended, varied
    audiogen.Vamp()         music in, variations of it out, each a Take
    audiogen.Audio          samples with their sample rate
    audiogen.load(name)     a model from its name or directory
    audiogen.load_codec(name)   a codec from its name or directory
    audiogen.list_models()  what can be loaded by name
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audiogen.audio import Audio
    from audiogen.checkpoints import load
    from audiogen.checkpoints.catalogue import ModelInfo, list_models
    from audiogen.codecs import load_codec
    from audiogen.codecs.base import Codec
    from audiogen.errors import InputError
    from audiogen.pipelines.music import Music
    from audiogen.pipelines.sound import Sound
    from audiogen.pipelines.take import Take
    from audiogen.pipelines.tts import TTS
    from audiogen.pipelines.vamp import Vamp

__version__ = "0.1.0"

_HOME = {
    "Audio": "audiogen.audio",
    "Codec": "audiogen.codecs.base",
    "InputError": "audiogen.errors",
    "ModelInfo": "audiogen.checkpoints.catalogue",
    "Music": "audiogen.pipelines.music",
    "Sound": "audiogen.pipelines.sound",
    "TTS": "audiogen.pipelines.tts",
    "Take": "audiogen.pipelines.take",
    "Vamp": "audiogen.pipelines.vamp",
    "load": "audiogen.checkpoints",
    "load_codec": "audiogen.codecs",
    "list_models": "audiogen.checkpoints.catalogue",
}
"""Public name -> module it lives in."""

__all__ = [
    "TTS",
    "Audio",
    "Codec",
    "InputError",
    "ModelInfo",
    "Music",
    "Sound",
    "Take",
    "Vamp",
    "__version__",
    "list_models",
    "load",
    "load_codec",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'audiogen' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
