"""What the repository promises about its own files."""

import json
import subprocess
from pathlib import Path

import pytest

from recipes.results import check_results

ROOT = Path(__file__).parents[1]
RESULTS = sorted(ROOT.glob("egs/*/*/RESULTS.md"))
BUNDLED = sorted((ROOT / "audiogen" / "bundled").glob("*/config.json"))


def test_there_are_results_and_bundled_models() -> None:
    assert RESULTS
    assert {config.parent.name for config in BUNDLED} >= {"nano-codec-speech", "nano-tts"}


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: str(page.parent.relative_to(ROOT)))
def test_results_are_as_the_recipe_printed_them(page: Path) -> None:
    check_results(page)


@pytest.mark.parametrize("config", BUNDLED, ids=lambda config: config.parent.name)
def test_every_bundled_model_is_whole_and_has_a_card(config: Path) -> None:
    assert json.loads(config.read_text())["model_type"]
    assert (config.parent / "model.safetensors").stat().st_size > 1_000_000
    card = (config.parent / "README.md").read_text()
    assert card.startswith("---\n"), "a card begins with its YAML header"
    for words in ("CC0", "By the recipe egs/"):
        assert words in card


def test_bundled_models_are_small_together() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "audiogen" / "bundled").rglob("*")) <= 60 * 2**20


def test_tracked_files_are_small_and_name_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert sum(path.stat().st_size for path in files) <= 90 * 2**20
    home = str(Path.home())
    for path in files:
        if path.suffix in (".py", ".md", ".toml", ".yaml", ".txt", ".sh"):
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert str(ROOT) not in text, f"{path} names this checkout"
            assert home == "/" or f"{home}/" not in text, f"{path} names a home folder"
