"""Pictures of sound: waveforms and mel spectrograms in one PNG, drawn without a display."""

from collections.abc import Mapping
from pathlib import Path

import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.extras import need
from audiogen.files import atomic_write
from audiogen.metrics.codec import MEL_HOP, log_mel

RANGE_DB = 80
"""What is this far below the loudest point of all sounds is drawn black."""


def save_spectrograms(path: str | Path, sounds: Mapping[str, Audio]) -> Path:
    """One row per sound, titled by its name: waveform above, mel spectrogram below; all with the same colours.

    Raises:
        InputError: `path` is no .png or cannot be written, or matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: expected a picture's name that ends in .png, got {path.suffix or 'no suffix'!r}.")
    figure = need("matplotlib.figure", "scoring").Figure(figsize=(10, 3.6 * len(sounds)), layout="constrained")
    axes = figure.subplots(2 * len(sounds), 1, squeeze=False, height_ratios=[1, 2] * len(sounds))[:, 0]
    mels = {name: log_mel(sound) for name, sound in sounds.items()}
    loudest = max(float(mel.max()) for mel in mels.values())
    for row, (name, sound) in enumerate(sounds.items()):
        wave, spectrum = axes[2 * row], axes[2 * row + 1]
        samples = sound.mono().samples[0]
        wave.plot((torch.arange(len(samples)) / sound.sample_rate).numpy(), samples.numpy(), linewidth=0.4)
        wave.set(title=f"{name} ({sound.sample_rate} Hz)", ylim=(-1, 1), xlim=(0, sound.duration), ylabel="amplitude")
        seconds = mels[name].shape[-1] * MEL_HOP / sound.sample_rate
        image = spectrum.imshow(
            mels[name].numpy(),
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, len(mels[name])),
            vmin=loudest - RANGE_DB,
            vmax=loudest,
            cmap="magma",
        )
        spectrum.set(xlim=(0, sound.duration), ylabel="mel band", xlabel="seconds")
        figure.colorbar(image, ax=spectrum, label="dB")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return path
