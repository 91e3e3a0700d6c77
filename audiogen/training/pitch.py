"""Pitch of the training recordings, the target of the codec's pitch output.

librosa's pYIN (Mauch & Dixon 2014) at 12 kHz; about 50 times faster than real time on one core.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audiogen.audio import Audio

logger = logging.getLogger(__name__)

FRAME_RATE = 200
"""Hz. Frame i is centred at (i + 1/2) / FRAME_RATE seconds."""
TRACKER_RATE = 12000
TRACKER_HOP = 120


def track_pitch(audio: Audio, lowest: float = 65.0, highest: float = 420.0) -> Tensor:
    """[2, T] float32: pitch in Hz (interpolated where unvoiced) and voicing 0 or 1, at `FRAME_RATE`."""
    import librosa

    samples = audio.mono().resample(TRACKER_RATE).samples[0].numpy()
    pitch, voiced, _ = librosa.pyin(
        samples,
        fmin=lowest,
        fmax=highest,
        sr=TRACKER_RATE,
        frame_length=768,
        hop_length=TRACKER_HOP,
        resolution=0.2,
        beta_parameters=(4, 10),  # librosa's (2, 18) calls half of a breathy voice unvoiced
    )
    times = np.arange(len(pitch)) * TRACKER_HOP / TRACKER_RATE
    centres = (np.arange(int(np.ceil(audio.duration * FRAME_RATE))) + 0.5) / FRAME_RATE
    nearest = np.rint(centres * TRACKER_RATE / TRACKER_HOP).astype(int).clip(0, len(pitch) - 1)
    if not voiced.any():
        return torch.stack([torch.full((len(centres),), lowest), torch.zeros(len(centres))])
    log_pitch = np.interp(centres, times[voiced], np.log(pitch[voiced]))
    return torch.from_numpy(np.stack([np.exp(log_pitch), voiced[nearest]]).astype(np.float32))


def track_cuts(cuts: Path, out: Path) -> None:
    """Pitch of every cut of a manifest -> one safetensors file, utterance id -> [2, T]."""
    from lhotse import CutSet
    from safetensors.torch import save_file

    from audiogen.files import atomic_write

    tracks = {}
    for cut in CutSet.from_file(cuts):
        tracks[cut.id] = track_pitch(Audio.read(cut.recording.sources[0].source))
    with atomic_write(out) as temporary:
        save_file(tracks, temporary)
    logger.info("tracked the pitch of %d cuts: %s", len(tracks), out)
