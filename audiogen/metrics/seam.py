"""How well a loop closes, or two parts meet: the change of sound there, against the changes elsewhere in it."""

import torch

from audiogen.audio import Audio
from audiogen.metrics.codec import MEL_HOP, MEL_WINDOW, log_mel

NEIGHBOURHOOD = 30.0
"""Seconds on each side of the seam that are looked at."""
QUIET = 1.0
"""dB; sounds that change less than this from window to window count as changing this much."""


def seam(audio: Audio) -> float:
    """Spectral change from the end of `audio` over into its start, as a multiple of what is usual inside it.

    The change at a place is the mean absolute difference of two log-mel spectra (80 bands, window 1024), of a window
    centred on the place and one half a window away, on the side where it is larger: a click lies in the window on the
    place itself. The figure is the change at the seam divided by the median change inside (at least 1 dB).

    1 is a seam like any other place, below 1 a smoother one; a loop that starts with a drum has the attack of that drum
    there, and is best compared with the figure of its source. Inside means up to NEIGHBOURHOOD from the seam. Audio
    shorter than 8 windows has no inside: nan.
    """
    samples = audio.samples
    if samples.shape[-1] < 8 * MEL_WINDOW:
        return float("nan")
    most = round(NEIGHBOURHOOD * audio.sample_rate)
    middle = min(samples.shape[-1] // 2, most) // MEL_HOP  # the frame at which the seam lies
    end, start = samples[:, -middle * MEL_HOP :], samples[:, : samples.shape[-1] - middle * MEL_HOP][:, :most]
    mel = log_mel(Audio(torch.cat([end, start], dim=-1), audio.sample_rate))
    half = MEL_WINDOW // 2 // MEL_HOP
    step = (mel[:, half:] - mel[:, :-half]).abs().mean(dim=0)
    change = torch.maximum(step[half:], step[:-half])  # change[i] is that at frame i + half
    inside = change[half : len(change) - 2 * half]  # without the windows that reach over the ends
    return float(change[middle - half] / inside.median().clamp_min(QUIET))


def seam_at(audio: Audio, second: float) -> float:
    """As `seam`, of the place at `second` inside a sound: where two windows meet, for instance."""
    place = round(second * audio.sample_rate)
    return seam(Audio(audio.samples.roll(-place, dims=-1), audio.sample_rate))
