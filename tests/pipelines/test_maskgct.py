"""From a recording and phones to speech, against the reference (fixture `pipeline`, the system in `tiny/`)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator, Tensor

from audiogen.audio import Audio
from audiogen.checkpoints import load
from audiogen.conditioning.voice import VoicePrompt
from audiogen.decoding import Step, StreamNoise
from audiogen.errors import InputError
from audiogen.models.maskgct import s2a_plan, t2s_plan
from audiogen.pipelines.maskgct import MaskGCTPipeline, SpeechRequest

FIXTURES = Path(__file__).parents[1] / "fixtures" / "maskgct"
TENSORS = load_file(FIXTURES / "pipeline.safetensors")
ARGUMENTS = json.loads((FIXTURES / "pipeline.json").read_text())
CASES = ["pipeline/a", "pipeline/given_length"]
STEPS = (3, 2, *[1] * 10)


@pytest.fixture(scope="module")
def pipeline() -> MaskGCTPipeline:
    return MaskGCTPipeline(system=load(FIXTURES / "tiny"), t2s=t2s_plan(steps=4), s2a=s2a_plan(STEPS))


def golden(case: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{case}/"): tensor for name, tensor in TENSORS.items() if name.startswith(f"{case}/")}


def voice_of(pipeline: MaskGCTPipeline, case: str) -> VoicePrompt:
    tensors = golden(case)
    recordings = Audio(tensors["speech_16k"], 16000), Audio(tensors["speech_24k"], 24000)
    return pipeline.voice_of(*recordings, tensors["prompt_phone_id"].tolist(), text="a prompt")


def like_the_reference(pipeline: MaskGCTPipeline, arguments: dict[str, Any]) -> MaskGCTPipeline:
    """The plans of a fixture; the reference counts its guidance from 0, we from 1."""
    guidance = {"guidance_scale": arguments["cfg"] + 1, "rescale": arguments["rescale_cfg"]}
    return replace(
        pipeline,
        t2s=t2s_plan(arguments["n_timesteps"], **guidance),
        s2a=s2a_plan(arguments["n_timesteps_s2a"], **guidance),
    )


@pytest.mark.parametrize("case", CASES)
def test_everything_from_the_recording_to_the_sound(pipeline: MaskGCTPipeline, case: str) -> None:
    tensors, arguments = golden(case), ARGUMENTS[case]
    pipeline = like_the_reference(pipeline, arguments)
    voice = voice_of(pipeline, case)
    assert torch.equal(voice.semantic_codes, tensors["semantic_code"])
    assert torch.equal(voice.acoustic_codes, tensors["acoustic_code"][0].T)
    assert voice.semantic_codes.shape[-1] == arguments["semantic_prompt_frames"]
    assert voice.acoustic_codes.shape[-1] == arguments["acoustic_prompt_frames"]

    request = SpeechRequest(
        phone_ids=tensors["target_phone_id"].tolist(), voice=voice, seconds=arguments["target_len_argument"]
    )
    assert pipeline.target_frames(request) == arguments["predicted_semantic_frames"]
    generator = Generator()
    noise = StreamNoise(generator)
    generator.manual_seed(arguments["seed_t2s"])
    semantic = pipeline.semantic_codes([request], noise)
    assert torch.equal(semantic[0], tensors["combined_semantic"])
    generator.manual_seed(arguments["seed_s2a_1layer"])
    first = pipeline.first_level([request], semantic, noise)
    assert torch.equal(first[0], tensors["first_level"][0].T)
    generator.manual_seed(arguments["seed_s2a_full"])
    codes = pipeline.all_levels([request], semantic, first, noise)
    assert torch.equal(codes[0], tensors["all_levels"][0].T)
    assert torch.equal(torch.rand(4, generator=generator), tensors["rng_after"])
    assert codes[0].shape[-1] == arguments["predicted_acoustic_frames"]

    sound = pipeline.sound(codes[0])
    torch.testing.assert_close(sound.samples[0], tensors["audio"], atol=2e-6, rtol=0)
    assert sound.samples.shape[-1] == arguments["audio_samples"]
    prompt = pipeline.sound(voice.acoustic_codes)
    torch.testing.assert_close(
        torch.cat([prompt.samples, sound.samples], dim=-1)[0], tensors["audio_with_prompt"], atol=2e-6, rtol=0
    )


def test_one_call_does_the_same(pipeline: MaskGCTPipeline) -> None:
    """The fixtures seed the three decodes with s, s + 1 and s + 2, and so does the pipeline."""
    tensors, arguments = golden(CASES[0]), ARGUMENTS[CASES[0]]
    pipeline = like_the_reference(pipeline, arguments)
    request = SpeechRequest(
        phone_ids=tensors["target_phone_id"].tolist(), voice=voice_of(pipeline, CASES[0]), seed=arguments["seed_t2s"]
    )
    steps: list[Step] = []
    sound = pipeline([request], steps.append)[0]
    torch.testing.assert_close(sound.samples[0], tensors["audio"], atol=2e-6, rtol=0)
    assert len(steps) > 20


def requests_of(pipeline: MaskGCTPipeline) -> list[SpeechRequest]:
    voices = [voice_of(pipeline, case) for case in CASES]
    return [
        SpeechRequest(phone_ids=range(1, 30), voice=voices[0], seed=1),
        SpeechRequest(phone_ids=[5, 6, 7], voice=voices[1], seconds=0.3, seed=2),
        SpeechRequest(phone_ids=[9] * 12, seconds=0.5, seed=3),
    ]


def test_requests_of_different_length_are_the_same_alone_and_together(pipeline: MaskGCTPipeline) -> None:
    requests = requests_of(pipeline)
    together = pipeline(requests)
    for request, sound in zip(requests, together, strict=True):
        torch.testing.assert_close(sound.samples, pipeline([request])[0].samples, atol=1e-5, rtol=0)
    assert together[2].duration == 0.5


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 4},
        {"phone_ids": [5, 6, 8]},
        {"seconds": 0.4},
        {"voice": None},
    ],
)
def test_every_part_of_a_request_matters(pipeline: MaskGCTPipeline, changed: dict[str, Any]) -> None:
    request = requests_of(pipeline)[1]
    sound, other = pipeline([request, replace(request, **changed)])
    assert sound.samples.shape != other.samples.shape or not torch.equal(sound.samples, other.samples)


def test_a_voice_from_a_recording_at_any_rate(pipeline: MaskGCTPipeline) -> None:
    recording = Audio(torch.randn(2, 44100, generator=Generator().manual_seed(0)) * 0.1, 44100)
    voice = pipeline.voice(recording, [1, 2, 3], "one two three")
    assert voice.semantic_codes.shape == (1, 49), "one second is 49 semantic frames"
    assert voice.acoustic_codes.shape == (12, 50), "and 50 acoustic ones"
    assert voice.duration == 1
    assert voice.text == "one two three"


def test_a_saved_voice_speaks_the_same(pipeline: MaskGCTPipeline, tmp_path: Path) -> None:
    request = requests_of(pipeline)[0]
    assert request.voice is not None
    voice = VoicePrompt.load(request.voice.save(tmp_path / "voice.safetensors"))
    loaded = replace(request, voice=voice)
    assert pipeline.target_frames(loaded) == pipeline.target_frames(request)
    assert torch.equal(pipeline([loaded])[0].samples, pipeline([request])[0].samples)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"phone_ids": []}, "one or more phones to speak, got none"),
        ({"phone_ids": [1024]}, r"phone ids in 0\.\.1023"),
        ({"voice": None, "seconds": None}, "or a voice whose pace to keep"),
        ({"seconds": 0.0}, "at least one frame"),
        ({"seconds": -1.0}, "at least one frame"),
        ({"seconds": float("nan")}, "at least one frame"),
    ],
)
def test_requests_that_cannot_be_spoken(pipeline: MaskGCTPipeline, changed: dict[str, Any], message: str) -> None:
    request = replace(requests_of(pipeline)[1], **changed)
    with pytest.raises(InputError, match=message):
        pipeline([request])


def test_no_requests(pipeline: MaskGCTPipeline) -> None:
    with pytest.raises(InputError, match="one or more requests"):
        pipeline([])


def test_speech_that_ends_under_its_prompt(pipeline: MaskGCTPipeline) -> None:
    """49 semantic frames and one more end where the 50 acoustic frames of the prompt do."""
    request = SpeechRequest(phone_ids=[1], voice=voice_of(pipeline, CASES[0]), seconds=0.02)
    with pytest.raises(InputError, match="goes on after the voice prompt"):
        pipeline([request])


def test_a_voice_of_another_codec(pipeline: MaskGCTPipeline) -> None:
    voice = voice_of(pipeline, CASES[0])
    shallow = replace(voice, acoustic_codes=voice.acoustic_codes[:8])
    with pytest.raises(InputError, match="a voice with 12 acoustic levels, got 8"):
        pipeline([SpeechRequest(phone_ids=[1, 2], voice=shallow, seconds=0.5)])
