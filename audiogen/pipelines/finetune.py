"""What `audiogen finetune vamp` does: teach a VampNet the sound of a folder, as a small file of adapters, a style.

The model's own weights stay as they are; the style is put on top of them when the model is loaded. The work is done in
`<style>.part` beside the result, and a run that was killed goes on with what it finds there.
Shapes: K levels, T frames of a sound.
"""

import json
import logging
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from audiogen.audio import Audio
from audiogen.checkpoints import load
from audiogen.checkpoints.vampnet import VampSystem, save_style
from audiogen.codecs import Codec
from audiogen.errors import InputError
from audiogen.extras import need
from audiogen.files import atomic_write, check_target, make_folder
from audiogen.models.vampnet import VampNet
from audiogen.nn.lora import attach_lora
from audiogen.pipelines import coding

if TYPE_CHECKING:
    from audiogen.training.vamp import Part, VampTraining

logger = logging.getLogger(__name__)

STYLE_SUFFIX = ".safetensors"
SOUNDS = {".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".w64", ".wav", ".wma"}
"""Suffixes of the files that are read; other files are not sounds."""
HELD_OUT = 0.1
"""Share of the sound that is not trained on, but tells what was learnt."""
LEAST_SECONDS = 3.0
"""Of sound in the folder."""

OnProgress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that the style follows from; a run that was begun with something else is begun anew."""

    model: str
    steps: int
    seed: int
    rank: int
    sounds: tuple[str, ...]
    """Of every file: name, size in bytes, time of its last change."""


@dataclass(frozen=True)
class Sounds:
    """What was read of a folder."""

    clips: list[Tensor]
    """[K, T] codes of each file."""
    unreadable: int
    """Files without a clip."""


@dataclass(frozen=True)
class Learnt:
    """Loss on held-out sound: mean negative log-likelihood of hidden codes."""

    before: float
    after: float


def finetune(
    folder: str | Path,
    out: str | Path,
    *,
    model: str | Path = "nano-vamp",
    steps: int = 300,
    seed: int = 0,
    rank: int = 8,
    on_progress: OnProgress | None = None,
) -> Path:
    """Train adapters of a VampNet on all sound files in `folder` and below it.

    Args:
        out: the style to write; .safetensors is added where it is missing. The text metadata in it say what it was made
            of and how the loss on held-out sound changed.
        model: name or folder.
        steps: updates of the coarse model; the fine one, which has less to learn, gets half as many.
        rank: of the adapters: larger ones learn more, and learn it by heart sooner.
        on_progress: called with what is being done and the share of it that is done.
    Returns:
        The path of the style, for `Vamp(style=...)`.
    Raises:
        InputError: no folder, no or too little sound in it, no such model, a number below 1, a target that cannot be
            written, or an installation without the packages for training.
    """
    need("lightning", "train")
    from audiogen.training.fit import training_device

    if min(steps, rank) < 1:
        raise InputError(f"finetune: expected 1 or more steps and a rank of 1 or more, got {steps} and {rank}.")
    folder, out = Path(folder), style_path(out)
    files = find_sounds(folder)
    system = load(model, str(training_device()))
    if not isinstance(system, VampSystem):
        raise InputError(f"expected a VampNet to fine-tune, got {model}. Its name is in `audiogen models`.")
    report = on_progress or (lambda what, share: None)
    described = tuple(f"{file.relative_to(folder)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    run = Run(model=str(model), steps=steps, seed=seed, rank=rank, sounds=described)
    work = begin(out, run)
    sounds = encode(files, system.codec, work / "tokens", report)
    seconds = sum(codes.shape[1] for codes in sounds.clips) / system.codec.frame_rate
    if seconds < LEAST_SECONDS:
        shutil.rmtree(work)
        raise InputError(
            f"{folder}: expected {LEAST_SECONDS:g} seconds of sound or more, got {seconds:.2f} in {len(files)} files, "
            f"{sounds.unreadable} of which could not be used. Add sound files."
        )
    learnt = {part: train(part, system, run, sounds.clips, work, report) for part in ("coarse", "fine")}
    facts = {"model": run.model, "rank": rank, "steps": steps, "seed": seed, "seconds": round(seconds, 2)}
    facts |= {"files": len(sounds.clips), "unreadable": sounds.unreadable}
    facts |= {f"{part}_loss_{when}": round(x, 4) for part, loss in learnt.items() for when, x in asdict(loss).items()}
    save_style(out, system.coarse, system.fine, {name: str(fact) for name, fact in facts.items()})
    shutil.rmtree(work)
    return out


def style_path(out: str | Path) -> Path:
    """`out` with its suffix, after checking that it can be written."""
    out = Path(out)
    return check_target(out if out.suffix == STYLE_SUFFIX else out.with_name(out.name + STYLE_SUFFIX))


def find_sounds(folder: Path) -> list[Path]:
    """The sound files in `folder` and below it, sorted; hidden ones are left out.

    Raises:
        InputError: no such folder, or none in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of sound files, got no such folder. Check the path.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUNDS and path.is_file())
    files = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not files:
        raise InputError(
            f"{folder}: expected a folder with sound files ({', '.join(sorted(SOUNDS))}), got one without. Add some."
        )
    return files


def begin(out: Path, run: Run) -> Path:
    """The folder in which `run` is done: what a killed run of the same kind left, or a new one."""
    work = out.with_name(out.name + ".part")
    note, text = work / "run.json", json.dumps(asdict(run), indent=1)
    if work.exists() and not note.is_file():
        raise InputError(f"expected no file or folder {work}, got one. Move it, or choose another name for the style.")
    if work.exists() and note.read_text(encoding="utf-8") != text:
        logger.warning("%s was begun with other settings or sounds: it is begun anew", work)
        shutil.rmtree(work)
    make_folder(work)
    with atomic_write(note) as path:
        path.write_text(text, encoding="utf-8")
    return work


def encode(files: Sequence[Path], codec: Codec, tokens: Path, report: OnProgress) -> Sounds:
    """Codes of all `files`; those that were encoded before the run was killed are in `tokens`, one shard for each."""
    from audiogen.training.clips import read_clips, write_clips

    make_folder(tokens)
    for index, file in enumerate(files):
        report("encoding", index / len(files))
        shard = tokens / f"{index:06d}.safetensors"
        if not shard.is_file() and (codes := _codes(file, codec)) is not None:
            write_clips(shard, {f"{index:06d}": codes}, type(codec).__name__, codec.frame_rate)
    report("encoding", 1.0)
    clips = list(read_clips(tokens).values()) if any(tokens.glob("[!.]*")) else []
    return Sounds(clips, len(files) - len(clips))


def _codes(file: Path, codec: Codec) -> Tensor | None:
    """[K, T] of a sound file; None, with a warning, where there is nothing to be heard or read."""
    try:
        audio = Audio.read(file)
    except InputError as error:
        logger.warning("left out: %s", error)
        return None
    if audio.loudness() == -math.inf:
        logger.warning("left out: %s is silent", file)
        return None
    return coding.encode(audio, codec)


def train(
    part: "Part", system: VampSystem, run: Run, clips: Sequence[Tensor], work: Path, report: OnProgress
) -> Learnt:
    """Give one model of `system` an adapter and train it."""
    from audiogen.training.vamp import fit_vamp, mean_loss

    network, frame_rate = {"coarse": system.coarse, "fine": system.fine}[part], system.codec.frame_rate
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        attach_lora(network, run.rank)
    config = training_of(part, network, run)
    fitting, held_out = hold_out([codes[: network.config.levels] for codes in clips], HELD_OUT, run.seed)
    before = mean_loss(network, config, held_out, frame_rate)
    fit_vamp(
        network, config, fitting, held_out, frame_rate, work / part, lambda share: report(f"training {part}", share)
    )
    after = mean_loss(network, config, held_out, frame_rate)
    if after >= before:
        logger.warning("the %s model did not learn from these sounds: loss %.3f, before %.3f", part, after, before)
    return Learnt(before, after)


def training_of(part: "Part", network: VampNet, run: Run) -> "VampTraining":
    """How an adapter of `network` is trained."""
    from audiogen.training.fit import FitConfig, training_device
    from audiogen.training.vamp import VampTraining

    steps = run.steps if part == "coarse" else -(-run.steps // 2)
    fit = FitConfig(
        steps=steps,
        learning_rate=2e-3,
        warmup=min(20, steps),
        betas=(0.9, 0.999),
        weight_decay=0.0,
        gradient_clip=5.0,
        precision="bf16-mixed" if training_device().type == "cuda" else "32-true",
        checkpoint_every=max(1, min(20, steps // 4)),
        validate_every=max(1, steps // 5),
        record_every=10,
        seed=run.seed,
    )
    return VampTraining(
        fit=fit,
        model=network.config,
        batch_size=8,
        seconds=5.0 if part == "coarse" else 3.0,
        trained="adapters",
    )


def hold_out(clips: Sequence[Tensor], share: float, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Clips [K, T] to train on, and a `share` of all frames to measure with: whole clips, and the end of one more."""
    left = max(1, round(share * sum(codes.shape[1] for codes in clips)))
    fitting, held_out = [], []
    for index in torch.randperm(len(clips), generator=Generator().manual_seed(seed)).tolist():
        codes = clips[index]
        kept = max(0, codes.shape[1] - left)
        left -= codes.shape[1] - kept
        fitting += [codes[:, :kept]] if kept else []
        held_out += [codes[:, kept:]] if kept < codes.shape[1] else []
    return fitting, held_out
