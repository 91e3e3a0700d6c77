"""What the demo is started with."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path


def settings_folder() -> Path:
    """Where this user's settings of audiogen lie: $XDG_CONFIG_HOME/audiogen, or what the system has in its place."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "audiogen"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "audiogen"


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Models, and folders to write to."""

    folder: Path
    """For uploads and takes, removed by whoever made it."""
    model: str = "nano-vamp"
    """Name or folder of the model that vamps."""
    style: str | None = None
    """A file that `audiogen finetune vamp` made, for the model that vamps."""
    music: str = "nano-music"
    """Name or folder of the model that makes music from captions."""
    twin: str | None = None
    """Name or folder of its autoregressive twin; None: the one that it comes with."""
    sound: str = "nano-sound"
    """Name or folder of the model that makes and mends sounds."""
    voice: str = "nano-tts"
    """Name or folder of the voice."""
    device: str = "cpu"
    settings: Path = field(default_factory=settings_folder)
    """Where presets are kept."""
