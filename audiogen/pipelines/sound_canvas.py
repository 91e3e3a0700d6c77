"""What a sound is made on: nothing, a sound of which regions or cells are made anew, or one that lacks its upper band.

What is repaired is put together as a spectrogram first: the sound's own where it is kept, decoded cells where they are
new, and one vocoder makes sound of both; then what was kept comes back as the original samples (`bands`).
Paper: Comunità et al. 2024, arXiv:2406.17672, "Zero-shot inpainting and bandwidth extension".
Shapes: F rows and T columns of the grid, M mel bands, L mel frames, S samples.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.codecs.segments import overlap_add, segment_starts
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.errors import InputError
from audiogen.models.band_predictor import BandPredictor
from audiogen.pipelines import coding
from audiogen.pipelines.bands import blend, samples_in
from audiogen.pipelines.bandwidth import cutoff_of
from audiogen.pipelines.canvas import Canvas
from audiogen.pipelines.chunks import frames_in
from audiogen.pipelines.fill import unrelated
from audiogen.pipelines.level import limit
from audiogen.pipelines.sound_evidence import Evidence, near
from audiogen.pipelines.sound_regions import Region, regions_of
from audiogen.pipelines.sound_settings import SoundSettings
from audiogen.pipelines.sounding import Sounding, sound_of
from audiogen.pipelines.source import SHORTEST, Source, replacing, source_of
from audiogen.pipelines.splice import runs
from audiogen.pipelines.stereo import spread
from audiogen.pipelines.take import Take

AROUND = 2
"""Columns on each side of what is new that become sound with it: more than fades need."""
CONTEXT = 8
"""Columns on each side that a cell's spectrogram may depend on."""
BLOCK, OVERLAP = 160, 2
"""Columns that become sound at a time, and of these, what two neighbours share: 30 s and 0.4 s."""
LEAST_BANDS = 2
"""Mel bands of a row that lie above a cutoff: then the row is made anew."""
ROLL_OFF = 0.85
"""Share of a cutoff up to which a spectrogram is trusted: filters take some dB of what is above."""

EXPECTED_SHARE = 0.75
"""Of what is predicted in a new spectrogram; the rest is of the codes. Chosen on clips of dev."""


class SoundCanvas(Canvas[SoundSettings]):
    """What there is before anything is made, and what of it can be heard."""

    @property
    @abstractmethod
    def heard(self) -> Audio | None:
        """What a result without a caption is to sound like; None: there is nothing."""

    @property
    def evidence(self) -> Evidence | None:
        """What is known of cells in part; None: nothing is."""
        return None


@dataclass(frozen=True)
class Blank(SoundCanvas):
    """Nothing: the whole sound is new."""

    codec: SpectrogramCodec
    steady: bool
    """Whether it is made of several windows, so that its level may drift."""
    source: Source | None = None
    """A sound that it is to be like."""

    @property
    def history(self) -> Mapping[str, Any]:
        """As in `Canvas`."""
        return {"input": None, "passes": []} if self.source is None else self.source.history

    @property
    def heard(self) -> Audio | None:
        """As in `SoundCanvas`."""
        return None if self.source is None else self.source.audio

    def grid(self, settings: SoundSettings) -> tuple[Tensor, Tensor]:
        """As in `Canvas`."""
        size = self.codec.levels, frames_in(settings.seconds, self.codec.frame_rate)
        return torch.zeros(size, dtype=torch.int64), torch.ones(size, dtype=torch.bool)

    def sound(self, codes: Tensor, mask: Tensor, settings: SoundSettings) -> Audio:
        """As in `Canvas`."""
        return sound_of(codes, Sounding(self.codec, round(settings.seconds * self.codec.sample_rate), self.steady))


@dataclass(frozen=True)
class Varied(SoundCanvas):
    """A sound of which cells here and there are made anew."""

    source: Source
    codec: SpectrogramCodec

    @property
    def history(self) -> Mapping[str, Any]:
        """As in `Canvas`."""
        return self.source.history

    @property
    def heard(self) -> Audio:
        """As in `SoundCanvas`."""
        return self.source.audio

    def grid(self, settings: SoundSettings) -> tuple[Tensor, Tensor]:
        """As in `Canvas`."""
        codes = self.source.codes
        order = torch.randperm(codes.numel(), generator=_generator(settings.seed))
        mask = torch.zeros(codes.numel(), dtype=torch.bool)
        mask[order[: max(1, round(settings.strength * codes.numel()))]] = True
        return codes, mask.view_as(codes)

    def sound(self, codes: Tensor, mask: Tensor, settings: SoundSettings) -> Audio:
        """As in `Canvas`: in the rate, length, channels, stereo image and loudness of the sound."""
        return replacing(self.source, codes, self.codec)

    def origin(self, audio: Audio) -> Audio:
        """As in `Canvas`."""
        return self.source.origin


@dataclass(frozen=True)
class Repaired(SoundCanvas):
    """A sound of which regions are made anew; its own samples are kept elsewhere."""

    source: Source
    codec: SpectrogramCodec
    regions: tuple[Region, ...]
    mask: Tensor
    """[F, T] bool: the cells that are made anew."""
    told: tuple[str, ...] = ()
    """What its user should know."""
    uncertain: tuple[Region, ...] = ()
    """Where its spectrogram is not as it was, beside the regions."""
    predictor: BandPredictor | None = None
    """Tells what new bands are likely to be; None: the model alone does."""

    @property
    def history(self) -> Mapping[str, Any]:
        """As in `Canvas`."""
        return self.source.history

    @property
    def heard(self) -> Audio:
        """As in `SoundCanvas`: without what is made anew, where enough is left."""
        audio = self.source.audio
        kept = audio.samples[:, ~samples_in([one for one in self.regions if one.has_all_frequencies], audio)]
        return Audio(kept if kept.shape[-1] >= SHORTEST * audio.sample_rate else audio.samples, audio.sample_rate)

    def grid(self, settings: SoundSettings) -> tuple[Tensor, Tensor]:
        """As in `Canvas`."""
        return self.source.codes, self.mask

    @property
    def evidence(self) -> Evidence:
        """As in `SoundCanvas`: the part of a cell that is kept, and what is predicted."""
        return Evidence(self.codec, self._mel[0], self._new, self._expected)

    def notes(self, mask: Tensor) -> list[str]:
        """As in `Canvas`."""
        kept_nothing = ["The regions cover everything: nothing of the input is known where it is made anew."]
        return [*self.told, *(kept_nothing if bool(mask.all()) else [])]

    def sound(self, codes: Tensor, mask: Tensor, settings: SoundSettings) -> Audio:
        """As in `Canvas`: in the rate, length and channels of the sound."""
        audio, rate = self.source.audio, self.codec.sample_rate
        mono = Audio(self._vocoded(codes) / self._gain, rate).resample(audio.sample_rate).samples
        length = audio.samples.shape[-1]
        fitting = F.pad(mono[:, :length], (0, max(0, length - mono.shape[-1])))
        wide = spread(Audio(fitting, audio.sample_rate), audio)
        return blend(audio, Audio(limit(wide.samples, wide.sample_rate), wide.sample_rate), self.regions)

    @cached_property
    def _prepared(self) -> Audio:
        return coding.prepared(self.source.audio)

    @property
    def _gain(self) -> float:
        """By which the sound was multiplied before it was coded."""
        peak = float(coding.mixed(self.source.audio).samples.abs().max())
        return float(self._prepared.samples.abs().max()) / peak if peak else 1.0

    @torch.no_grad()
    def _vocoded(self, codes: Tensor) -> Tensor:
        """Codes [F, T] -> samples [1, S] around what is new, at the level of coding; zeros elsewhere."""
        device, total, hop = self.codec.log_mel.window.device, codes.shape[-1], self.codec.hop_length
        near = F.max_pool1d(self.mask.any(dim=0)[None].float(), 2 * AROUND + 1, stride=1, padding=AROUND)[0] > 0
        samples = torch.zeros(1, total * hop)
        for start, end in runs(near):
            starts = [start + first for first in segment_starts(end - start, BLOCK, OVERLAP)]
            blocks = [self._block(codes.to(device), first, min(first + BLOCK, end)) for first in starts]
            samples[:, start * hop : end * hop] = overlap_add(blocks, OVERLAP * hop)[0].float().cpu()
        return samples

    def _block(self, codes: Tensor, start: int, end: int) -> Tensor:
        """The sound [1, 1, s] of some columns of codes [F, T], where these are new, and of the input elsewhere."""
        patch, first = self.codec.config.patch, max(0, start - CONTEXT)
        made = self.codec.spectrogram(codes[None, :, first : end + CONTEXT])
        inside = slice((start - first) * patch, (end - first) * patch)
        place = slice(start * patch, end * patch)
        made = made[..., inside]
        if self._expected is not None:
            made = torch.lerp(made, self._expected[:, place], EXPECTED_SHARE)
        return self.codec.vocode(torch.where(self._new[:, place], made, self._mel[..., place]))

    @cached_property
    def _mel(self) -> Tensor:
        """[1, M, L] of the input."""
        samples = self._prepared.resample(self.codec.sample_rate).samples
        return self.codec.mel(samples[None].to(self.codec.log_mel.window.device))

    @cached_property
    @torch.no_grad()
    def _expected(self) -> Tensor | None:
        """[M, L]: what the predictor makes of the bands that are known in all frames."""
        if self.predictor is None:
            return None
        return self.predictor(self._mel, ~near(self._new).any(dim=1)[None])[0]

    @cached_property
    def _new(self) -> Tensor:
        """[M, L] bool: where the spectrogram is new, or not to be trusted."""
        codec, columns = self.codec, self.mask.shape[-1]
        frames, rate = columns * codec.config.patch, codec.sample_rate / codec.config.mel_hop
        centres = codec.log_mel.centres
        found = [region.covered(centres.cpu(), frames, rate) for region in (*self.regions, *self.uncertain)]
        return torch.stack(found).any(dim=0).to(centres.device)


def canvas_of(
    audio: Audio | str | Path | None,
    settings: SoundSettings,
    codec: SpectrogramCodec,
    codec_sha256: str,
    seconds: float,
    predictor: BandPredictor | None = None,
) -> SoundCanvas:
    """What `settings` ask for to be made on.

    Args:
        seconds: what the model makes at a time.
        predictor: of the bands that a sound lacks.
    Raises:
        InputError: no sound where one is needed, or one that cannot be changed as asked.
    """
    if audio is None:
        if settings.task != "make" or settings.text is None:
            raise InputError("expected a sound to begin with, got none. Give one, or a caption for a new sound.")
        return Blank(codec, settings.seconds > seconds)
    source = source_of(as_no_loop(audio), codec, codec_sha256)
    if settings.task == "make":
        return Blank(codec, settings.seconds > seconds, source)
    if settings.task == "vary":
        return Varied(source, codec)
    if isinstance(source.audio, Take):  # codes of its own may have another level than it sounds
        source = replace(source, codes=coding.encode(source.audio, codec))
    if settings.task == "inpaint":
        return _inpainted(source, settings.regions, codec)
    return _extended(source, settings.cutoff, codec, None if settings.zero_shot else predictor)


def as_no_loop(audio: Audio | str | Path) -> Audio | str | Path:
    """A loop is taken as a sound with two ends."""
    return replace(audio, circular=False) if isinstance(audio, Take) and audio.circular else audio


def _inpainted(source: Source, given: Sequence[Sequence[float]], codec: SpectrogramCodec) -> Repaired:
    highest = codec.row_edges[-1]
    regions = regions_of(given, source.audio.duration, highest)
    columns = source.codes.shape[-1]
    touched = [region.touched(codec.row_edges, columns, codec.frame_rate) for region in regions]
    return Repaired(source, codec, regions, torch.stack(touched).any(dim=0))


def _extended(
    source: Source, cutoff: float | None, codec: SpectrogramCodec, predictor: BandPredictor | None
) -> Repaired:
    """At the codec's rate, with the rows made anew that reach above the cutoff."""
    found = cutoff_of(source.audio) if cutoff is None else cutoff
    bands = codec.log_mel.centres.view(codec.levels, -1)[:, -LEAST_BANDS].tolist()
    least, most = bands[0], min(bands[-1], source.audio.sample_rate / 2)
    if not least <= found <= most:
        got, hint = ("as found in its spectrum", "Say it: cutoff=, --cutoff.") if cutoff is None else ("", "Change it.")
        raise InputError(
            f"expected a cutoff of {least:.0f} to {most:.0f} Hz, above what is known and below what can be added, got "
            f"{found:.0f} Hz {got}".rstrip()
            + f". {hint}"
        )
    wide = replace(source, audio=Audio(source.audio.samples, source.audio.sample_rate).resample(codec.sample_rate))
    rows = torch.tensor([highest > found for highest in bands])
    mask = rows[:, None].expand(-1, source.codes.shape[-1]).clone()
    told = (f"The input is kept up to {found:.0f} Hz; what is above is new.",)
    missing, uncertain = (Region(0.0, wide.audio.duration, low=hertz) for hertz in (found, ROLL_OFF * found))
    return Repaired(wide, codec, (missing,), mask, told, (uncertain,), predictor)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(unrelated(seed, "mask"))
