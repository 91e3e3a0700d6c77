"""Music from a caption: what `audiogen.Music()` is.

    music = audiogen.Music()
    take = music("a cheerful jig in D major, on a fiddle", seconds=10, hybrid=2, seed=1)
    take.save("jig.wav")                                       # and jig.wav.json, from which `replay` makes it again
    longer = music.continue_(take, "the same, slower", seconds=20)
    other = music.inpaint(take, [(3, 5)], "with a flute")      # or a prompt, as of Vamp: "periodic(7) & levels(2)"
    for part in music.stream("a waltz", seconds=60, hybrid=2):  # sound as it is made
        print(part.duration)

A grid of codes is filled by a masked model, level by level (MAGNeT); an autoregressive twin may make its first seconds
and give a second opinion on every choice (`compose`). The same request gives the same music, alone or in a list.
Paper: Ziv et al. 2024, arXiv:2401.04577. Shapes: K levels, T frames, B pieces.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, overload

import torch

from audiogen.audio import Audio
from audiogen.decoding.candidates import candidate_seeds, choose
from audiogen.errors import InputError
from audiogen.pipelines import identity
from audiogen.pipelines.batches import OnStep
from audiogen.pipelines.canvas import Blank, Canvas, canvas_of
from audiogen.pipelines.compose import Composer, Piece
from audiogen.pipelines.ensemble import Ensemble
from audiogen.pipelines.fill import Filled
from audiogen.pipelines.music_settings import MusicSettings
from audiogen.pipelines.passes import take_of
from audiogen.pipelines.precision import dtype_of
from audiogen.pipelines.take import Take
from audiogen.plain import from_plain
from audiogen.prompts import Inpaint, Prompt

MOST_RESULTS = 64
"""Candidates of a piece, and variations."""

Regions = Sequence[tuple[float, float]]
Score = Callable[[Audio, str], float]
"""How good the sound of a candidate is for its caption; more is better. CLAP's similarity, for instance."""


class Music:
    """Makes music from captions. One object per model; several requests may share it, one after the other.

    Args:
        model: name or folder of a MAGNeT, packed or official.
        twin: name or folder of the autoregressive model of the same codes; None: the one that the model comes with.
        rescorer: who rescores, where it is not the twin: name or folder of another MAGNeT or MusicGen of these codes.
        device: where they compute: "cpu", "cuda", ...
        dtype: what they compute in: float32, or bfloat16, which makes big models several times as fast.
    Raises:
        InputError: unknown name, damaged files, a model of another type, or one with other codes.
    """

    kind: ClassVar[str] = "music"

    def __init__(
        self,
        model: str | Path = "nano-music",
        twin: str | Path | None = None,
        rescorer: str | Path | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ):
        self.names = {
            "name": identity.lasting(model),
            "twin": None if twin is None else identity.lasting(twin),
            "rescorer": None if rescorer is None else identity.lasting(rescorer),
        }
        self.ensemble = Ensemble.load(model, twin, rescorer, device, dtype_of(dtype))

    @property
    def sample_rate(self) -> int:
        """Hz, of all that is made without an input."""
        return self.ensemble.codec.sample_rate

    @overload
    def __call__(
        self,
        text: str,
        *,
        seconds: float = 10.0,
        hybrid: float = 0.0,
        rescore: float = 0.0,
        seed: int = 0,
        candidates: int = 1,
        score: Score | None = None,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> Take: ...

    @overload
    def __call__(
        self,
        text: list[str] | tuple[str, ...],
        *,
        seconds: float = 10.0,
        hybrid: float = 0.0,
        rescore: float = 0.0,
        seed: int = 0,
        candidates: int = 1,
        score: Score | None = None,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> list[Take]: ...

    def __call__(
        self,
        text: str | list[str] | tuple[str, ...],
        *,
        seconds: float = 10.0,
        hybrid: float = 0.0,
        rescore: float = 0.0,
        seed: int = 0,
        candidates: int = 1,
        score: Score | None = None,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> Take | list[Take]:
        """Make music.

        What is longer than the model's own items (10 or 30 seconds) is made window by window, each continuing the last
        seconds of the one before; its loudness is kept near that of the first five seconds.

        Args:
            text: a caption, or several; "" for any music.
            seconds: 0.1 or more, up to an hour.
            hybrid: the first seconds, made by the twin.
            rescore: how much the rescorer counts, 0 to 1.
            seed: of every piece.
            candidates: so many pieces are made of each caption, and the best one is returned.
            score: says which one is best; None: the one that the twin finds most probable.
            on_step: told after every pass how many are done, and how many there are.
            settings: `rescore_steps`, `steps`, `temperature`, `top_p`, `top_k`, `guidance` of `MusicSettings`.
        Returns:
            A Take for each caption. Its seed is that of the candidate that was chosen: with it, and without
            candidates, the same piece is made again.
        Raises:
            InputError: a setting out of its range, or one that needs a twin where there is none.
        """
        texts = list(text) if isinstance(text, list | tuple) else [text]
        given = {**settings, "seconds": seconds, "hybrid": hybrid, "rescore": rescore, "seed": seed}
        requests = [_request(one, given) for one in texts]
        takes = self._make(None, requests, candidates, score, on_step)
        return takes if isinstance(text, list | tuple) else takes[0]

    def variations(
        self, text: str, count: int, *, seed: int = 0, on_step: OnStep | None = None, **settings: Any
    ) -> list[Take]:
        """`count` pieces of one caption, with the seeds `seed`, `seed` + 1, ...; settings as in a call.

        Raises:
            InputError: as a call.
        """
        if not 1 <= count <= MOST_RESULTS:
            raise InputError(f"expected 1 to {MOST_RESULTS} variations, got {count}. Ask again with other seeds.")
        requests = [_request(text, {**settings, "seed": seed + number}) for number in range(count)]
        return self._make(None, requests, on_step=on_step)

    def stream(self, text: str, *, on_step: OnStep | None = None, **settings: Any) -> Iterator[Audio]:
        """Make music that can be heard while it is made; joined, the parts are what a call returns.

        With `hybrid` the first parts come frame by frame, as the twin makes them; then the rest of the window.

        Args:
            settings: as in a call, without candidates.
        Raises:
            InputError: as a call, at once.
        """
        request = _request(text, settings)
        canvas = Blank.of(request, self.ensemble)
        composer = Composer(self.ensemble, request, on_step=on_step)
        codes = composer.parts(Piece(*canvas.grid(request), request.text, request.seed))
        return canvas.sounding(request).stream(codes)

    def continue_(
        self,
        audio: Audio | str | Path,
        text: str,
        *,
        seconds: float = 10.0,
        candidates: int = 1,
        score: Score | None = None,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> Take:
        """A sound and `seconds` of music that go on from it.

        Args:
            audio: 0.5 seconds or more of sound, or its file. A Take of the same codec is not encoded again.
            settings: as in a call. The sound keeps its own samples unless `keep_original` is False.
        Returns:
            Both together, in the rate and channels of `audio`; the new part has the loudness of its last seconds.
        Raises:
            InputError: as a call; silence or too little sound.
        """
        if seconds <= 0:
            raise InputError(f"expected seconds above 0 to go on for, got {seconds}. Change it.")
        request = _request(text, {"keep_original": True, **settings, "seconds": seconds})
        return self._make(audio, [request], candidates, score, on_step)[0]

    def inpaint(
        self,
        audio: Audio | str | Path,
        made: Prompt | str | Regions,
        text: str = "",
        *,
        candidates: int = 1,
        score: Score | None = None,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> Take:
        """Make some of a sound anew, or vamp it.

        Args:
            audio: as in `continue_`; any rate, mono or stereo.
            made: regions in seconds, (start, end) each, which are made anew; or a prompt that says what is kept, as of
                Vamp (`audiogen.prompts`), as a Prompt or its text.
            settings: as in a call, with `keep_original`.
        Returns:
            As long as `audio`, in its rate, channels, loudness and stereo image.
        Raises:
            InputError: as a call; a region or a prompt that this sound has no place for.
        """
        prompt = made if isinstance(made, str | Prompt) else Inpaint(made)
        request = _request(text, {**settings, "seconds": 0.0, "prompt": str(prompt)})
        return self._make(audio, [request], candidates, score, on_step)[0]

    def run(
        self, audio: Audio | str | Path | None, settings: MusicSettings, on_step: OnStep | None = None
    ) -> list[Take]:
        """One piece, with all settings in one: what `replay` repeats."""
        return self._make(audio, [settings], on_step=on_step)

    @cached_property
    def identity(self) -> dict[str, str | None]:
        """Names and SHA-256 of the models and the codec, as the sidecar has them."""
        return {**self.names, "sha256": self.ensemble.sha256, "codec_sha256": self.ensemble.codec_sha256}

    @property
    def made_with(self) -> dict[str, Any]:
        """What the last bit of a result depends on besides its settings."""
        return identity.of_machine(self.ensemble.device, self.ensemble.magnet.model.dtype)

    def _make(
        self,
        audio: Audio | str | Path | None,
        requests: Sequence[MusicSettings],
        candidates: int = 1,
        score: Score | None = None,
        on_step: OnStep | None = None,
    ) -> list[Take]:
        """The best candidate of each request; they differ in text and seed only."""
        if not requests:
            raise InputError("expected one or more captions, got none.")
        if not 1 <= candidates <= MOST_RESULTS:
            raise InputError(f"expected 1 to {MOST_RESULTS} candidates, got {candidates}. Ask for fewer.")
        if candidates > 1 and score is None:
            self.ensemble.needed_twin("candidates")
        canvas = canvas_of(audio, requests[0], self.ensemble)
        composer = Composer(self.ensemble, requests[0], canvas.circular, on_step)
        tried = [replace(one, seed=seed) for one in requests for seed in candidate_seeds(one.seed, candidates)]
        pieces = [Piece(*canvas.grid(one), one.text, one.seed) for one in tried]
        made = [self._take(canvas, *one) for one in zip(tried, pieces, composer(pieces), strict=True)]
        if candidates == 1:
            return made
        scores = torch.tensor([self._score(take, one.text, score) for take, one in zip(made, tried, strict=True)])
        best = choose(scores, len(requests), candidates).tolist()
        return [made[row * candidates + number] for row, number in enumerate(best)]

    def _score(self, take: Take, text: str, score: Score | None) -> float:
        return self.ensemble.likelihood(take.codes, text) if score is None else float(score(take, text))

    def _take(self, canvas: Canvas[MusicSettings], settings: MusicSettings, piece: Piece, filled: Filled) -> Take:
        audio = canvas.sound(filled.codes, piece.mask, settings)
        return take_of(
            self, audio, filled, settings, mask=piece.mask, seed=settings.seed, history=canvas.history,
            notes=canvas.notes(piece.mask), circular=canvas.circular, origin=canvas.origin(audio),
        )  # fmt: skip


def _request(text: str, settings: dict[str, Any]) -> MusicSettings:
    """One piece, from keyword arguments."""
    return from_plain(MusicSettings, {**settings, "text": text}, "Music")
