"""The bundled music codec at its real size; the shared contract is tested in test_contract.py on a tiny one."""

import torch

from audiogen.codecs.nano_music import NanoMusicCodec, NanoMusicCodecConfig


def test_default_sizes():
    codec = NanoMusicCodec(NanoMusicCodecConfig()).eval()
    assert (codec.sample_rate, codec.frame_rate, codec.hop_length) == (32000, 50, 640)
    assert codec.bitrate == 4000, "8 levels of 10 bits, 50 times a second"
    assert sum(parameter.numel() for parameter in codec.parameters()) < 4e6
    codes = codec.encode(torch.randn(1, 1, 32000) * 0.1)
    assert codes.shape == (1, 8, 50)
    assert codec.decode(codes).shape == (1, 1, 32000)
    assert codec.codebooks().shape == (8, 1024, 16)
    codec.use_levels(4)
    assert codec.bitrate == 2000
    assert codec.codebooks().shape == (4, 1024, 16)
    assert codec.decode(codes[:, :4]).shape == (1, 1, 32000)


def test_sinusoids_stay_in_reach_of_their_bands():
    codec = NanoMusicCodec.tiny("nano")
    raw = 100 * torch.randn(2, codec.decoder.parameters_per_frame, 8, generator=torch.Generator().manual_seed(0))
    partials, gains = codec.unpack(raw)
    assert torch.all(partials.deviation.abs() <= codec.synth.bank.widths[:, None])
    assert 0 <= float(partials.amplitude.min()) <= float(partials.amplitude.max()) < 21
    assert gains.shape == (2, codec.decoder.bins, 8)
    assert float(gains.min()) >= 0


def test_the_analysis_may_be_given():
    codec = NanoMusicCodec.tiny("nano")
    audio = torch.randn(1, 6400, generator=torch.Generator().manual_seed(0)) * 0.1
    torch.testing.assert_close(codec.encoder(audio, codec.encoder.analysis(audio)), codec.encoder(audio))
