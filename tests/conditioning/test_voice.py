"""Voice prompts keep their codes in a file, and say what is wrong with one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from audiogen.conditioning.voice import VoicePrompt
from audiogen.errors import InputError

PARTS: dict[str, Any] = {
    "semantic_codes": torch.tensor([[8191, 0, 5]]),
    "acoustic_codes": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 1023]]),
    "phone_ids": torch.tensor([1, 2]),
    "duration": 16001 / 16000,
    "text": "“Grüße”, he said",
}


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    voice = VoicePrompt(**PARTS)
    loaded = VoicePrompt.load(voice.save(tmp_path / "voice.safetensors"))
    for name in ("semantic_codes", "acoustic_codes", "phone_ids"):
        assert torch.equal(getattr(loaded, name), PARTS[name])
        assert getattr(loaded, name).dtype == torch.int64
    assert loaded.duration == PARTS["duration"], "to the last bit: lengths are truncated"
    assert loaded.text == PARTS["text"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"semantic_codes": torch.zeros(3).long()},
        {"semantic_codes": torch.zeros(2, 3).long()},
        {"acoustic_codes": torch.zeros(2, 3)},
        {"acoustic_codes": torch.zeros(2, 0).long()},
        {"phone_ids": torch.zeros(0).long()},
    ],
)
def test_codes_of_another_shape(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"semantic_codes \[1, Ps\]"):
        VoicePrompt(**{**PARTS, **wrong})


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_durations(duration: float) -> None:
    with pytest.raises(InputError, match="a duration above 0 seconds"):
        VoicePrompt(**{**PARTS, "duration": duration})


def test_files_that_are_no_voices(tmp_path: Path) -> None:
    path = tmp_path / "voice.safetensors"
    with pytest.raises(InputError, match="no such file"):
        VoicePrompt.load(path)
    save_file({"weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match=r"expected a voice .* got another file with weight"):
        VoicePrompt.load(path)
    VoicePrompt(**PARTS).save(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="damaged"):
        VoicePrompt.load(path)
    tensors = {name: PARTS[name] for name in ("semantic_codes", "acoustic_codes", "phone_ids")}
    save_file(tensors, path, {"format": "audiogen-voice-1", "duration": "long"})
    with pytest.raises(InputError, match="the duration of the voice"):
        VoicePrompt.load(path)


def test_voices_are_safetensors_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        VoicePrompt(**PARTS).save(tmp_path / "voice.wav")
    with pytest.raises(InputError, match="writable folder"):
        VoicePrompt(**PARTS).save(tmp_path / "missing" / "voice.safetensors")
    assert list(tmp_path.iterdir()) == []
