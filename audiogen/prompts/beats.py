"""Where the beats, bars and onsets of a sound are.

A loop's length is a whole number of beats, which says more than any tracker: `loop_tempo` tries the numbers that loops
have, and `track` lays the bars by it. Other music is tracked by librosa (Ellis 2007, "Beat Tracking by Dynamic
Programming"). All of it looks at the onset strength: how much louder the bands of a mel spectrogram become, in dB,
heard as a loop, so that what begins at the very start counts. Needs librosa.
Shapes: S samples, F frames of HOP samples. Units: seconds, beats per minute (bpm).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiogen.audio import Audio
from audiogen.extras import need

RATE, HOP, WINDOW, BANDS = 22_050, 256, 2048, 128
"""What is analysed: Hz, samples between frames (11.6 ms), samples of a frame, mel bands."""
BLOCK = 4096
"""Frames analysed at a time (48 s), so that memory does not grow with the spectrogram of a long recording."""
SILENCE = 1e-4
"""A sound whose peak is below this (-80 dBFS) has no beats and no onsets."""
STEADY = 0.2
"""dB: a sound whose bands never rise by more together is taken for steady."""
SLOWEST, FASTEST = 70, 160
"""bpm in which the tempo of a loop is looked for."""
LOOP_BEATS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of beats that a loop may have; one beat has no period that could be checked."""
LONGEST_LOOP = LOOP_BEATS[-1] * 60 / SLOWEST
"""Seconds."""
LEAST_EVIDENCE = 0.02
"""Score below which a length is taken for no whole number of beats. Chosen on the loops of Sonic Pi: 14 of 16 get their
tempo, two that have hardly a pulse get none, and 1 in 4 excerpts of random length passes by accident."""
CLEAR_PULSE = 1.4
"""Median onset strength on the beats over that everywhere, from which a beat is believed: music has 1.5 and more,
drones and noise up to 1.3, whatever beats a tracker names."""
OFF_PULSE = 0.1
"""Share of an interval by which a beat may be early or late before it is doubted."""
NEARBY = 2
"""Frames by which a beat may be early or late (23 ms)."""
BEATS_PER_BAR = 4


@dataclass(frozen=True)
class TrackedBeats:
    """What `track` heard; no beats at all where it heard none."""

    times: tuple[float, ...]
    """Seconds of every beat."""
    downbeats: tuple[float, ...]
    """Seconds of those that begin a bar."""
    tempo: float | None
    """bpm; None where there are no beats."""


def track(audio: Audio) -> TrackedBeats:
    """Beats and bars of a loop or of a recording.

    A loop begins with a bar, and its beats divide it evenly. Elsewhere bars have four beats, and begin where that puts
    the most onsets on their first beats.

    Raises:
        InputError: librosa is not installed.
    """
    strength = onset_strength(audio)
    if (tempo := _loop_tempo(strength, audio.duration)) is not None:
        count = round(audio.duration * tempo / 60)
        times = tuple(beat * audio.duration / count for beat in range(count))
        return TrackedBeats(times, times[::BEATS_PER_BAR], tempo)
    tracked = _track_frames(strength)
    if not len(tracked):
        return TrackedBeats((), (), None)
    frames = _evened(tracked, len(strength))
    at_beats = _smeared(strength)[frames.astype(int)]
    phase = max(range(BEATS_PER_BAR), key=lambda first: at_beats[first::BEATS_PER_BAR].mean())
    seconds = tuple(float(frame) * HOP / RATE for frame in frames)
    return TrackedBeats(seconds, seconds[phase::BEATS_PER_BAR], 60 / float(np.diff(seconds).mean()))


def loop_tempo(audio: Audio) -> float | None:
    """bpm of a sound that is a whole number of beats long; None where nothing says that it is.

    Its number of beats is round(audio.duration * bpm / 60). Of the numbers in LOOP_BEATS whose tempo lies in SLOWEST to
    FASTEST, that one is taken whose beats repeat best and coincide best with onsets, counted from the start.

    Raises:
        InputError: librosa is not installed.
    """
    return _loop_tempo(onset_strength(audio), audio.duration)


def track_onsets(audio: Audio) -> tuple[float, ...]:
    """Seconds at which notes and hits begin: where the sound is softest before it becomes louder.

    Raises:
        InputError: librosa is not installed.
    """
    strength = onset_strength(audio)
    if not strength.any():
        return ()
    librosa = need("librosa", "codecs")
    lead = min(WINDOW // HOP, len(strength))  # an onset at the start is a peak only if something precedes it
    heard = np.concatenate([strength[-lead:], strength])
    peaks = librosa.onset.onset_detect(onset_envelope=heard, sr=RATE, hop_length=HOP)
    frames = librosa.onset.onset_backtrack(peaks[peaks >= lead], heard) - lead
    return tuple(sorted({float(max(frame, 0)) * HOP / RATE for frame in frames}))


def onset_strength(audio: Audio) -> NDArray[np.float32]:
    """[F] mean over the bands of their rise in dB since the frame before, heard as a loop; zeros for a steady sound."""
    librosa = need("librosa", "codecs")
    samples = audio.mono().resample(RATE).samples[0].numpy()
    frames = math.ceil(len(samples) / HOP)
    peak = np.abs(samples).max()
    if peak < SILENCE:
        return np.zeros(frames, dtype=np.float32)
    samples = np.pad(samples / peak, (WINDOW // 2 + HOP, WINDOW // 2 + HOP), mode="wrap")
    mel = np.concatenate(
        [
            librosa.feature.melspectrogram(
                y=samples[first * HOP : (min(first + BLOCK, frames + 1) - 1) * HOP + WINDOW],
                sr=RATE, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS, center=False,
            )
            for first in range(0, frames + 1, BLOCK)
        ],
        axis=-1,
    )  # fmt: skip
    rise = np.diff(librosa.power_to_db(mel), axis=-1).clip(min=0).mean(axis=0)
    rise = np.roll(rise, WINDOW // (2 * HOP))  # a window sees a hit when its edge does, half a window early
    return rise if rise.max() > STEADY else np.zeros_like(rise)


def _loop_tempo(strength: NDArray[np.float32], duration: float) -> float | None:
    if not strength.any() or duration > LONGEST_LOOP:
        return None
    tempos = {count * 60 / duration: count for count in LOOP_BEATS}
    scores = {
        tempo: _evidence(strength, count) * math.exp(-0.5 * math.log2(tempo / 120) ** 2)  # 120 bpm is likeliest
        for tempo, count in tempos.items()
        if SLOWEST <= tempo <= FASTEST
    }
    best = max(scores, key=lambda tempo: scores[tempo], default=None)
    return best if best is not None and scores[best] >= LEAST_EVIDENCE else None


def _evidence(strength: NDArray[np.float32], count: int) -> float:
    """How much speaks for a loop of `count` beats: 0 where they do not repeat, or do not fall on onsets.

    The product of two figures: the autocorrelation at one beat (-1 to 1), and by how much the onsets on the beats are
    stronger than those everywhere (at most 2, for a loop of few single hits).
    """
    frames = np.arange(len(strength))
    beat = len(strength) / count
    rest = strength - strength.mean()
    repeats = float((rest * np.interp(frames + beat, frames, rest, period=len(rest))).mean() / rest.var())
    smeared = _smeared(strength)
    on_beat = float(np.interp(np.arange(count) * beat, frames, smeared, period=len(rest)).mean() / smeared.mean()) - 1
    power_of_two = 1.0 if count & (count - 1) == 0 else 0.85
    return max(repeats, 0) * min(max(on_beat, 0), 2) * power_of_two


def _track_frames(strength: NDArray[np.float32]) -> NDArray[np.int64]:
    """Frames of librosa's beats; none where there is no clear pulse."""
    nothing = np.empty(0, dtype=np.int64)
    seam = WINDOW // HOP
    if not strength[seam:-seam].any():
        return nothing
    heard = strength.copy()
    heard[:seam] = heard[-seam:] = np.median(strength)  # a cut is no beat, however loud it clicks
    _, frames = need("librosa", "codecs").beat.beat_track(onset_envelope=heard, sr=RATE, hop_length=HOP, trim=False)
    smeared = _smeared(heard)
    if len(frames) < BEATS_PER_BAR or np.median(smeared[frames]) < CLEAR_PULSE * np.median(smeared):
        return nothing
    return frames


def _evened(beats: NDArray[np.int64], end: int) -> NDArray[np.float64]:
    """The beats less those at the ends that are off the pulse, which trackers add, continued evenly to both ends."""
    intervals = np.diff(beats)
    pulse = np.sort(intervals)[len(intervals) // 2]
    steady = np.flatnonzero(np.abs(intervals - pulse) <= OFF_PULSE * pulse)
    beats = beats[steady[0] : steady[-1] + 2]
    interval = (beats[-1] - beats[0]) / (len(beats) - 1)
    earlier = np.arange(beats[0] - interval, -NEARBY, -interval)[::-1].clip(min=0)
    return np.concatenate([earlier, beats, np.arange(beats[-1] + interval, end - NEARBY, interval)])


def _smeared(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest strength within NEARBY frames, around the seam too."""
    return np.max([np.roll(strength, shift) for shift in range(-NEARBY, NEARBY + 1)], axis=0)
