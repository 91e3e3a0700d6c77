"""The project itself: what is installed, what imports what, what the launcher does, what the README promises."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import audiogen

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FLOORS = (
    ("cli", "__main__"),
    ("music_command", "sound_command", "console", "options"),
    ("serving",),
    ("pipelines",),
    ("streaming",),
    ("training",),
    ("metrics",),
    ("checkpoints",),
    ("models",),
    ("decoding",),
    ("prompts",),
    ("conditioning",),
    ("codecs",),
    ("nn",),
    ("audio",),
    ("files", "errors", "extras", "plain"),
)
"""Top first; a file imports from its own floor or below."""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


# ------------------------------------------------------------------------------------------------------------- package


def test_importing_the_package_is_light():
    heavy = "{'torch', 'numpy', 'soundfile', 'typer', 'transformers', 'lightning', 'librosa', 'lhotse', 'matplotlib'}"
    ran = python(f"import sys, audiogen; assert not {heavy} & set(sys.modules)")
    assert ran.returncode == 0, ran.stderr


def test_public_names_are_there():
    for name in audiogen.__all__:
        assert getattr(audiogen, name) is not None
        assert name in dir(audiogen)
    with pytest.raises(AttributeError, match="has no attribute 'Musik'; it has TTS"):
        audiogen.Musik  # noqa: B018
    assert audiogen.__version__ == PROJECT["version"]


def test_files_import_from_their_own_floor_or_below():
    """When they are imported; a function may reach up where it loads what it was asked for by name."""
    floor_of = {name: index for index, names in enumerate(FLOORS) for name in names}
    wrong = []
    for path in sorted((ROOT / "audiogen").rglob("*.py")):
        here = path.relative_to(ROOT / "audiogen").parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        assert here in floor_of, f"{path}: which floor is it on? Add it to FLOORS."
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names = [f"audiogen.{alias.name}" for alias in node.names] if names == ["audiogen"] else names
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                package, _, rest = name.partition(".")
                target = rest.split(".")[0]
                upwards = package == "audiogen" and floor_of.get(target, len(FLOORS)) < floor_of[here]
                if upwards or package == "recipes":
                    wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong


def test_files_are_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "audiogen").rglob("*.py")}
    assert not {path.name: length for path, length in lengths.items() if length > 420}


# -------------------------------------------------------------------------------------------------------- requirements


def requirements(*extras: str) -> list[Requirement]:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(line) for lines in lists for line in lines]


def pinned() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines), "names and versions only"
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_requirements_are_lower_bounds():
    assert {"train", "serve", "demo", "metrics", "cluster", "dev"} <= set(PROJECT["optional-dependencies"])
    for requirement in requirements(*PROJECT["optional-dependencies"]):
        assert requirement.url is None
        assert "==" not in str(requirement.specifier), requirement
    torch = next(requirement for requirement in requirements() if requirement.name == "torch")
    assert {specifier.operator for specifier in torch.specifier} == {">="}


def test_constraints_pin_what_is_required():
    versions = pinned()
    assert versions["torch"] == versions["torchaudio"] == "2.11.0"
    for requirement in requirements(*PROJECT["optional-dependencies"]):
        if requirement.name != "audiogen":
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version, prereleases=True), requirement


def test_the_default_installation_has_no_gpl():
    seen: dict[str, str] = {}
    todo = [requirement.name for requirement in requirements()]
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:  # of another platform
            continue
        classifiers = [line for line in about.get_all("Classifier") or [] if line.startswith("License")]
        seen[name] = " ".join([about.get("License-Expression") or about.get("License") or "", *classifiers])[:400]
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
    assert len(seen) > 10
    assert not {name: licence for name, licence in seen.items() if re.search(r"GPL|General Public", licence)}


# ------------------------------------------------------------------------------------------------------------ launcher

FAKE_PYTHON = """#!/bin/bash
# Stands for python3 and, copied into .venv/bin, for the environment's own: notes what it is asked to do.
case "$1 $2" in
    "-m venv")
        echo "venv" >>"$LOG"
        mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python"
        echo "VIRTUAL_ENV=${@: -1}" >"${@: -1}/bin/activate" ;;
    "-m pip")
        [[ $3 == --version ]] && exit 0
        echo "pip ${*: -4}" >>"$LOG"
        sleep 0.3
        [[ ! -e $BROKEN ]] ;;
    *) [[ $1 == --version ]] && echo "Python 3.99.0"; exit 0 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A checkout with the launcher and an interpreter that only notes what it is asked to do."""
    checkout = tmp_path / "my checkout"
    (checkout / "tools").mkdir(parents=True)
    (checkout / "tools" / "env").write_text((ROOT / "tools" / "env").read_text())
    (checkout / "tools" / "env").chmod(0o755)
    (checkout / "pyproject.toml").write_text("")
    (checkout / "constraints.txt").write_text("")
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    monkeypatch.setenv("AUDIOGEN_PYTHON", str(python))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("BROKEN", str(tmp_path / "broken"))
    return checkout


def launch(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    start = [str(checkout / "tools" / "env"), *command]
    return subprocess.run(start, capture_output=True, text=True, timeout=60, check=False, cwd="/")


def installations(checkout: Path) -> int:
    log = checkout.parent / "log"
    return log.read_text().count("--constraint") // 2 if log.exists() else 0  # the project, then pesq


def test_the_launcher_installs_once(checkout):
    first = launch(checkout, "bash", "-c", "echo $VIRTUAL_ENV")
    assert (first.returncode, first.stdout.strip()) == (0, str(checkout / ".venv")), first.stderr
    assert first.stderr.count("tools/env: ") == 2  # creates the environment, installs
    again = launch(checkout, "bash", "-c", "exit 7")
    assert (again.returncode, again.stdout, again.stderr) == (7, "", "")
    assert installations(checkout) == 1


def test_the_launcher_installs_again_when_something_changed(checkout):
    launch(checkout, "true")
    (checkout / "constraints.txt").write_text("torch==2.11.0\n")
    assert launch(checkout, "true").returncode == 0
    assert installations(checkout) == 2
    moved = checkout.rename(checkout.parent / "moved")
    assert launch(moved, "true").returncode == 0
    log = (moved.parent / "log").read_text()
    assert log.count("venv\n") == 2, "the scripts of an environment hold its path"


def test_a_broken_installation_is_tried_again(checkout):
    broken = checkout.parent / "broken"
    broken.touch()
    assert launch(checkout, "echo", "never").stdout == ""
    broken.unlink()
    assert launch(checkout, "echo", "now").stdout == "now\n"
    assert launch(checkout, "echo", "now").stderr == ""


def test_first_calls_at_the_same_time_share_one_installation(checkout):
    start = [str(checkout / "tools" / "env"), "echo", "ready"]
    calls = [subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    assert [call.communicate(timeout=60)[0] for call in calls] == [b"ready\n"] * 3
    assert installations(checkout) == 1


def test_an_old_python_is_named(checkout, monkeypatch, tmp_path):
    old = tmp_path / "old"
    old.write_text("#!/bin/bash\n[[ $1 == --version ]] && echo 'Python 3.8.1' && exit 0\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setenv("AUDIOGEN_PYTHON", str(old))
    ran = launch(checkout, "true")
    assert ran.returncode == 1
    assert "expected Python 3.11 or newer, got Python 3.8.1" in ran.stderr


# -------------------------------------------------------------------------------------------------------------- README


def test_the_readme_starts_with_two_commands():
    first = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert first is not None
    assert first[1].splitlines() == [
        'tools/env audiogen tts "The quick brown fox jumps over the lazy dog." -o fox.wav',
        "tools/env pytest",
    ]
    assert (ROOT / "README.md").read_text(encoding="utf-8")[: first.end()].count("\n") < 15


def test_scripts_can_be_run():
    assert all(os.access(ROOT / script, os.X_OK) for script in ("tools/env", ".ci/run"))
