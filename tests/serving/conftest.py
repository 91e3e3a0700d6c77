"""A demo with tiny random models, served on the loopback interface while tests run."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_ensemble import tiny_ensemble
from tiny_sound import tiny_sound
from tiny_vamp import tiny_vamp
from tiny_voice import pack_tiny

from audiogen.pipelines.vamp import Vamp
from audiogen.serving.demo.app import serving
from audiogen.serving.demo.config import DemoConfig
from audiogen.serving.demo.examples import write_examples
from audiogen.serving.demo.studio import Studio


@dataclass(frozen=True)
class Demo:
    url: str
    config: DemoConfig


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, str]:
    """Folders of the tiny models, as DemoConfig names them."""
    folder = tmp_path_factory.mktemp("models")
    music = tiny_ensemble(folder / "music")
    return {
        "model": str(tiny_vamp(folder / "vamp")),
        "music": str(music.magnet),
        "twin": str(music.twin),
        "sound": str(tiny_sound(folder / "sound")),
        "voice": str(pack_tiny(folder / "voice")),
    }


@pytest.fixture(scope="session")
def demo(models, tmp_path_factory) -> Iterator[Demo]:
    """The running page; it ends with the tests."""
    work = tmp_path_factory.mktemp("demo")
    config = DemoConfig(folder=work, settings=work / "settings", **models)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(config, "127.0.0.1", port) as url:
        yield Demo(url, config)


@pytest.fixture(scope="session")
def studio(models) -> Studio:
    """What the tab does, without a page."""
    return Studio(Vamp(models["model"]))


@pytest.fixture(scope="session")
def loops(tmp_path_factory) -> dict[str, Path]:
    """The examples of the page."""
    return write_examples(tmp_path_factory.mktemp("loops"))
