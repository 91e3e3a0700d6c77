"""Filling grids of codes from captions: the twin begins, the masked model makes the rest, window after window.

Papers: Ziv et al. 2024, arXiv:2401.04577 (MAGNeT), for "Hybrid-MAGNeT" and "Model rescorer"; how minutes are made of
windows is ours. Every piece draws its own random numbers, which go on from the twin to the masked model and from window
to window.
Shapes: B pieces, K levels, T frames, W frames of a window, t frames that are done.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from audiogen.decoding import ItemNoise, Rescoring, Step, Trace, decode
from audiogen.decoding.hybrid import hybrid_parts
from audiogen.errors import InputError
from audiogen.pipelines.batches import OnStep, Progress, batches, items_at_once
from audiogen.pipelines.chunks import Window, frames_in, windows
from audiogen.pipelines.ensemble import Ensemble
from audiogen.pipelines.fill import Filled, unrelated
from audiogen.pipelines.music_settings import MusicSettings

CONTEXT = 0.3
"""Share of a window that is there already: with 10 s, the last 3 s of what it continues."""


@dataclass(frozen=True)
class Piece:
    """A grid to fill, and what for."""

    codes: Tensor
    """[K, T] int64; what stands under the mask does not matter."""
    mask: Tensor
    """[K, T] bool, True = to be generated."""
    text: str
    seed: int


class Composer:
    """Fills the grids of requests that differ only in text, seed and grid.

    Args:
        settings: of all of them; text and seed are the pieces'.
        circular: the end of the grids flows into their start.
        on_step: told of every pass of the masked model, and of every frame of the twin.
    Raises:
        InputError: settings ask for a twin or a rescorer that is not there, or for other levels than the model's.
    """

    def __init__(
        self, ensemble: Ensemble, settings: MusicSettings, circular: bool = False, on_step: OnStep | None = None
    ):
        if settings.hybrid:
            ensemble.needed_twin("hybrid")
        if settings.rescore and ensemble.rescorer is None:
            ensemble.needed_twin("rescore")
        self.ensemble = ensemble
        self.settings = settings
        self.circular = circular
        self.plan = settings.plan(ensemble.magnet.decoding)
        self.passes = sum(stage.steps for stage in self.plan)
        self.twin_frames = frames_in(settings.hybrid, ensemble.codec.frame_rate)
        self.size = frames_in(ensemble.magnet.duration, ensemble.codec.frame_rate)
        self._on_step = on_step

    def __call__(self, pieces: Sequence[Piece]) -> list[Filled]:
        """Generate the masked cells of every piece; all others come back as they are.

        Pieces with the same windows are decoded together. What becomes of one does not depend on the others.

        Raises:
            InputError: the twin is to begin what is no ending without holes.
        """
        spans = [self._windows(piece) for piece in pieces]
        numbers = self.size * self.ensemble.magnet.model.config.dim
        together = batches(spans, items_at_once(self.ensemble.device, numbers))
        progress = Progress(sum(self._count(spans[group[0]]) for group in together), self._on_step)
        filled: dict[int, Filled] = {}
        for group in together:
            work = _Work(self, [pieces[place] for place in group], progress)
            for _ in work.parts(spans[group[0]]):
                pass
            filled |= zip(group, work.filled, strict=True)
        return [filled[place] for place in range(len(pieces))]

    def parts(self, piece: Piece) -> Iterator[Tensor]:
        """The frames of a piece that is all new, [1, K, t], as they are made: one by one by the twin, then the rest."""
        span = self._windows(piece)
        yield from _Work(self, [piece], Progress(self._count(span), self._on_step)).parts(span)

    def _windows(self, piece: Piece) -> tuple[Window, ...]:
        if self.twin_frames:
            self._check_beginning(piece.mask)
        todo = piece.mask.any(dim=0)
        if self.circular and len(todo) <= self.size and bool(todo.any()):
            return (Window(len(todo) // 2, len(todo)),)  # the seam in the middle, where both of its sides are seen
        return windows(todo, self.size, math.ceil(CONTEXT * self.size), self.circular)

    def _check_beginning(self, mask: Tensor) -> None:
        """The twin goes on from what is there; it cannot lead to what follows."""
        new = mask.any(dim=0)
        missing = int(new.sum())
        if not bool((mask == new).all()) or not bool(new[len(new) - missing :].all()):
            raise InputError(
                "expected hybrid only where the end of a piece is new, got a prompt that keeps something behind what "
                "is to be made. Leave hybrid out, or keep a beginning: prefix(1.5)."
            )
        if self.twin_frames > missing:
            rate = self.ensemble.codec.frame_rate
            raise InputError(
                f"expected hybrid of at most the {missing / rate:g} seconds that are made, got "
                f"{self.settings.hybrid:g}. Leave less to the twin."
            )

    def _count(self, span: tuple[Window, ...]) -> int:
        return self.twin_frames + self.passes * len(span)


class _Work:
    """Pieces in the making, side by side."""

    @torch.no_grad()
    def __init__(self, composer: Composer, pieces: Sequence[Piece], progress: Progress):
        self._composer = composer
        self._progress = progress
        ensemble, settings, texts = composer.ensemble, composer.settings, [piece.text for piece in pieces]
        self._model = ensemble.magnet.model
        self._left = torch.stack([piece.mask for piece in pieces]).to(ensemble.device)
        codes = torch.stack([piece.codes for piece in pieces]).to(ensemble.device)
        self._codes = codes.masked_fill(self._left, self._model.mask_token)
        self._trace = Trace.like(codes)
        self._noise = ItemNoise([unrelated(piece.seed, "codes") for piece in pieces], ensemble.device)
        self._condition = ensemble.magnet.condition(texts)
        self._beginning = ensemble.beginning(texts, composer.twin_frames) if composer.twin_frames else None
        self._rescoring: Rescoring | None = None
        if settings.rescore:
            self._rescoring = Rescoring(ensemble.second_opinion(texts), settings.rescore, settings.rescore_steps)
        self._begun = 0  # frames that the twin has made
        self._done_before = progress.done

    @property
    def filled(self) -> list[Filled]:
        """What became of the pieces."""
        return Filled.each(self._codes, self._trace)

    def parts(self, span: Sequence[Window]) -> Iterator[Tensor]:
        """Fill window after window; the frames [B, K, t] of each from the first new one on, as they are done."""
        for number, window in enumerate(span):
            frames = window.frames(self._codes.shape[-1]).to(self._codes.device)
            yield from self._window(frames, number * self._composer.passes)

    def _window(self, frames: Tensor, before: int) -> Iterator[Tensor]:
        """Fill `frames` [W], after `before` passes of the masked model."""
        window, mask = self._codes[..., frames], self._left[..., frames]
        first = int(mask.any(dim=0).any(dim=0).nonzero()[0])
        found = Trace.like(window)

        def record(step: Step) -> None:
            found.record(step)
            self._tell(before + step.number + 1)

        for part in self._made(window, mask, first, record):
            place = frames[first : first + part.shape[-1]]
            self._codes[..., place] = part
            self._left[..., place] = False
            if self._begun < self._composer.twin_frames:
                self._trace.step[..., place] = self._begun
                self._begun += 1
                self._tell(before)
            first += part.shape[-1]
            yield part
        self._trace.insert(found, frames, self._composer.twin_frames)
        self._tell(before + self._composer.passes)

    def _made(self, window: Tensor, mask: Tensor, first: int, record: Callable[[Step], None]) -> Iterator[Tensor]:
        """What `mask` asks for of `window` [B, K, W], from frame `first` on: the twin's frames, while it has any."""
        settings = (self._composer.plan, self._noise, record, self._rescoring)
        if self._beginning is None or self._begun == self._composer.twin_frames:
            return iter([decode(self._model, window, mask, self._condition, *settings)[..., first:]])
        start = replace(self._beginning, frames=self._composer.twin_frames - self._begun)
        return hybrid_parts(start, self._model, window[..., :first], self._condition, window.shape[-1], *settings)

    def _tell(self, passes: int) -> None:
        """So many passes of the masked model are done."""
        self._progress.tell(self._done_before + self._begun + passes)
