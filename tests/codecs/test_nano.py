"""The bundled codec at its real size; the shared contract is tested in test_contract.py on a tiny one."""

import torch

from audiogen.codecs.nano import NanoCodec, NanoCodecConfig


def test_default_sizes() -> None:
    codec = NanoCodec(NanoCodecConfig()).eval()
    assert (codec.sample_rate, codec.frame_rate, codec.hop_length) == (24000, 50, 480)
    assert codec.bitrate == 4000, "8 levels of 10 bits, 50 times a second"
    assert sum(parameter.numel() for parameter in codec.parameters()) < 8e6
    codes = codec.encode(torch.randn(1, 1, 24000) * 0.1)
    assert codes.shape == (1, 8, 50)
    assert codec.decode(codes).shape == (1, 1, 24000)
    codec.use_levels(4)
    assert codec.bitrate == 2000
    assert codec.decode(codes[:, :4]).shape == (1, 1, 24000)


@torch.no_grad()
def test_pitch_stays_in_its_range() -> None:
    codec = NanoCodec.tiny("nano")
    codes = torch.randint(32, (2, 4, 30), generator=torch.Generator().manual_seed(0))
    source, gains, _ = codec.decoder.unpack(codec.decoder(codec.quantizer.embed(codes)))
    low, high = codec.config.pitch_range
    assert low <= float(source.pitch.min()) <= float(source.pitch.max()) <= high
    assert 0 <= float(source.voicing.min()) <= float(source.voicing.max()) <= 1
    assert gains.noise.shape == gains.harmonic.shape == (2, codec.decoder.bins, 4 * 30)


def test_nothing_before_a_frame_changes_beyond_the_context() -> None:
    codec = NanoCodec.tiny("nano")
    codes = torch.randint(32, (1, 4, 60), generator=torch.Generator().manual_seed(0))
    changed = codes.clone()
    changed[..., 40:] = (changed[..., 40:] + 1) % 32
    reach = codec.decoder.context + 1 + codec.synth.context
    kept = (40 - reach) * codec.hop_length
    before, after = codec.decode(codes)[..., :kept], codec.decode(changed)[..., :kept]
    torch.testing.assert_close(before, after, atol=1e-5, rtol=0)
