"""Training of a spectrogram codec's vocoder: an energy distance, and the frequencies of tones.

No critic is needed for noise to sound like noise: `MultiScaleSpectrum.energy` compares two draws of the vocoder's
noise with the sound, and is least where chance is as large as in real sounds. One may be added for what is sharp.
Shapes: B batch, S samples, M mel bands, L mel frames.
"""

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from audiogen.codecs.spectrogram_networks import LogMel, MelVocoder, SpectrogramAutoencoder, SpectrogramCodecConfig
from audiogen.nn.sinusoids import PartialAnalysis
from audiogen.training.adversarial import adversary
from audiogen.training.fit import FitConfig, Task
from audiogen.training.losses import MultiScaleSpectrum
from audiogen.training.music_codec import FLOOR, frequency_error

SCALES = ((256, 24), (512, 0), (1024, 80), (2048, 0))
"""Windows and mel bands; 0 bands are single frequencies, without which high tones would be taken for noise."""
CRITIC_SCALE = (1024, 0)


@dataclass(frozen=True, kw_only=True)
class VocoderTraining:
    """What the training of a vocoder is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=2000, learning_rate=2e-3))
    batch_size: int = 12
    columns: int = 6
    """Length of a training crop in columns of the grid, of 186 ms each."""
    coded: float = 0.5
    """Share of a batch whose spectrograms went through the autoencoder: what it smooths, the vocoder learns to undo."""
    spectrum_weight: float = 5.0
    frequency_weight: float = 1.0
    """Per width of a band."""
    adversarial_weight: float = 0.0
    """Of a critic's verdict on spectrograms; 0 trains without one."""
    adversarial_start: int = 1000
    """Updates before the critic joins."""


class VocoderTask(Task[MelVocoder]):
    """Wires vocoder, frozen autoencoder and losses."""

    def __init__(self, model: SpectrogramCodecConfig, config: VocoderTraining, autoencoder: SpectrogramAutoencoder):
        super().__init__(MelVocoder(model), config.fit)
        self.training_config = config
        self.autoencoder = autoencoder.requires_grad_(False)
        self.log_mel = LogMel(model)
        self.analysis = PartialAnalysis(model.sample_rate, model.mel_hop)
        self.spectrum = MultiScaleSpectrum(model.sample_rate, SCALES, FLOOR)
        self.adversary = adversary(config.adversarial_weight, config.adversarial_start)

    def loss(self, batch: Tensor, generator: Generator) -> dict[str, Tensor]:
        vocoder, config = self.network, self.training_config
        raw = vocoder.network(self.spectrograms(batch))
        with torch.autocast(batch.device.type, enabled=False):
            partials, gains = vocoder.synth.unpack(raw)
            frequency = frequency_error(partials, self.analysis(batch), vocoder.synth.bank.widths)
            phases = torch.rand(len(batch), vocoder.synth.bank.bands, generator=generator, dtype=torch.float64)
            tones = vocoder.synth.tones(partials, phases.to(batch.device))
            noise = torch.randn(2, *batch.shape, generator=generator).to(batch.device)
            one, other = (tones + vocoder.synth.shape(draw, gains) for draw in noise)
            spectrum = self.spectrum.energy(one, other, batch)
        losses = {"spectrum": spectrum, "frequency": frequency}
        loss = config.spectrum_weight * spectrum + config.frequency_weight * frequency
        if self.adversary is not None and self.training:
            made, real = (self.spectrum.spectrum(sound, *CRITIC_SCALE) for sound in (one, batch))
            judged = self.adversary(made, real, self.global_step)
            losses |= judged
            loss = loss + sum(judged.values())
        return {"loss": loss, **losses}

    @torch.no_grad()
    def spectrograms(self, batch: Tensor) -> Tensor:
        """Audio [B, S] -> log-mel [B, M, L], of the first items as the autoencoder returns it."""
        with torch.autocast(batch.device.type, enabled=False):
            mel = self.log_mel(batch)
        count = round(self.training_config.coded * len(batch))
        if count:
            coded = self.autoencoder.decode(self.autoencoder.encode(mel[:count])).float().clamp(-1, 1)
            mel = torch.cat([coded, mel[count:]])
        return mel
