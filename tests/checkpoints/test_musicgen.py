"""MAGNeT and MusicGen on disk, as audiocraft and as transformers lay them out: equal to both; what is missing is named
with what to fetch, and models with other parts are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from official_music import POINTER, official_magnet, official_musicgen, transformers_musicgen, write_package
from safetensors.torch import load_file, save_file
from tiny_music import CLOSE, GOLDEN, case, golden, tiny_magnet

from audiogen.checkpoints import load
from audiogen.checkpoints.audiocraft import Package
from audiogen.checkpoints.catalogue import OFFICIAL, fetch_command, list_models
from audiogen.checkpoints.musicgen import (
    MagnetDecoding,
    MagnetSystem,
    MusicGenDecoding,
    MusicGenSystem,
    load_magnet,
    load_musicgen,
)
from audiogen.checkpoints.safe import restricted_load
from audiogen.codecs.encodec import Encodec
from audiogen.decoding import Plan, Stage
from audiogen.decoding.schedule import cosine
from audiogen.errors import InputError
from audiogen.models.magnet import magnet_plan

CAPTION = "a chill lofi song"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that no test changes."""
    return {
        "magnet": official_magnet(tmp_path_factory.mktemp("magnet")),
        "musicgen": official_musicgen(tmp_path_factory.mktemp("musicgen")),
    }


@pytest.fixture
def magnet(published: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(published["magnet"], tmp_path / "magnet")


@pytest.fixture
def musicgen(published: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(published["musicgen"], tmp_path / "musicgen")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def package(name: str, path: str = "sample_rate", value: object = 32_000) -> Package:
    """The configuration `name` of the fixtures with another value at a dotted path, without parameters."""
    tree = config = json.loads((GOLDEN / f"{name}_tiny_xp_cfg.json").read_text())
    *groups, key = path.split(".")
    for group in groups:
        tree = tree[group]
    tree[key] = value
    return Package(Path("state_dict.bin"), {}, config)


def reconfigure(folder: Path, **changes: object) -> None:
    """Other values in the xp.cfg of the package in `folder`."""
    stored = restricted_load(folder / "state_dict.bin")
    write_package(folder, stored["best_state"], yaml.safe_load(stored["xp.cfg"]) | changes)


def put_in_cache(cache: Path, repository: str, folder: Path) -> Path:
    place = cache / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0123")
    shutil.copytree(folder, place / "snapshots" / "0123")
    return place


def comparable(plan: Plan) -> list[Stage]:
    """Its stages without their schedules, which are functions."""
    return [replace(stage, schedule=cosine) for stage in plan]


class TestMagnet:
    """audiocraft's layout, from the reference's own file."""

    def test_is_one_system(self, published: dict[str, Path]):
        system = load(published["magnet"])
        assert isinstance(system, MagnetSystem)
        assert isinstance(system.codec, Encodec)
        assert system.codec.config.pad_mode == "constant"
        assert (system.codec.sample_rate, system.codec.levels, system.codec.vocab_size) == (32_000, 4, 64)
        config = system.model.config
        assert (config.levels, config.vocab_size, config.dim, config.layers, config.heads) == (4, 64, 64, 3, 4)
        assert (config.context, config.span, config.frame_rate, config.condition_dim) == (5, 3, 50.0, 768)
        assert system.text.width == 768
        assert system.duration == 1.0
        assert not system.model.training
        assert not system.codec.training
        assert system.device == torch.device("cpu")

    def test_weights_are_those_of_the_fixture(self, published: dict[str, Path]):
        ours = load_magnet(published["magnet"]).model.state_dict()
        theirs = load_file(GOLDEN / "magnet_tiny.safetensors")
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    @pytest.mark.parametrize("level", [0, 1])
    @torch.no_grad()
    def test_logits_are_the_references(self, published: dict[str, Path], level: int):
        tensors = golden("magnet_forward")
        stage = case(tensors, f"T50.stage{level}")
        model = load_magnet(published["magnet"]).model
        condition = model.condition_on(tensors["cond"])
        logits = model.logits(stage["codes"], condition, Stage(levels=(level,)))
        torch.testing.assert_close(logits[:, 0], stage["logits"][:, level], **CLOSE)
        assert torch.equal(logits, tiny_magnet().logits(stage["codes"], condition, Stage(levels=(level,))))

    def test_settings_are_those_of_the_file(self, magnet: Path):
        decoding = load_magnet(magnet).decoding
        assert decoding == MagnetDecoding(), "the file has the official ones of 10 seconds"
        assert comparable(decoding.plan()) == comparable(magnet_plan())
        assert comparable(decoding.plan(steps=(5, 2, 2, 2))) == comparable(magnet_plan(steps=(5, 2, 2, 2)))

    @pytest.mark.parametrize(
        ("path", "value", "name", "expected"),
        [
            ("generate.lm.decoding_steps", [60, 10, 10, 10], "steps", (60, 10, 10, 10)),
            ("generate.lm.temp", 3.5, "temperature", 3.5),
            ("generate.lm.top_p", 0.8, "top_p", 0.8),
            ("generate.lm.max_cfg_coef", 20.0, "guidance", (20.0, 1.0)),
            ("generate.lm.min_cfg_coef", 2.0, "guidance", (10.0, 2.0)),
            ("generate.lm.anneal_temp", False, "annealed", False),
            ("generate.lm.span_arrangement", "stride1", "arrangement", "stride1"),
            ("generate.lm.span_scoring", "prod", "scoring", "prod"),
            ("masking.span_len", 1, "span", 1),
        ],
    )
    def test_every_setting_is_read(self, path: str, value: object, name: str, expected: object):
        arguments = package("magnet", path, value).magnet_decoding()
        assert arguments[name] == expected
        plan = comparable(MagnetDecoding(**arguments).plan())
        assert plan == comparable(magnet_plan(**arguments))
        assert plan != comparable(magnet_plan())

    def test_top_p_comes_before_top_k_there(self):
        both = package("magnet", "generate.lm.top_k", 250).magnet_decoding()
        assert (both["top_p"], both["top_k"]) == (0.9, 0)
        neither = package("magnet", "generate.lm.top_p", 0.0).magnet_decoding()
        assert (neither["top_p"], neither["top_k"]) == (1.0, 0)

    def test_values_that_weights_do_not_show(self):
        assert package("magnet", "dataset.segment_duration", 30).duration == 30.0
        assert package("magnet", "transformer_lm.subcodes_context", -1).context == -1
        assert package("magnet", "masking.span_len", 1).span == 1
        assert package("magnet", "conditioners.description.t5.name", "t5-large").text_encoder == "t5-large"

    def test_references_are_followed_where_they_are_needed(self):
        assert package("magnet", "dataset.segment_duration", "${generate.lm.temp}").duration == 3.0
        assert "oc.env" in package("magnet")["dora.dir"], "the variable that this refers to need not be set"

    @torch.no_grad()
    def test_a_caption_conditions(self, published: dict[str, Path]):
        system = load_magnet(published["magnet"])
        condition = system.condition([CAPTION, None])
        assert condition["memory"][0].any()
        assert not condition["memory"][1].any(), "no text is as the null condition: attention makes nothing of zeros"

    @torch.no_grad()
    def test_captions_of_a_batch_do_not_depend_on_each_other(self, published: dict[str, Path]):
        system, stage = load_magnet(published["magnet"]), Stage(levels=(0,))
        codes = torch.full((2, 4, 12), system.model.mask_token)
        alone = system.model.logits(codes[:1], system.condition([CAPTION]), stage)
        together = system.model.logits(codes, system.condition([CAPTION, f"{CAPTION} with 80s hip hop vibes"]), stage)
        torch.testing.assert_close(together[:1], alone, **CLOSE)
        padded = system.model.condition(*system.text([CAPTION, f"{CAPTION} with 80s hip hop vibes"]))
        assert not torch.allclose(system.model.logits(codes, padded, stage)[:1], alone, **CLOSE)

    def test_computes_in_the_type_that_was_asked_for(self, published: dict[str, Path]):
        system = load_magnet(published["magnet"], dtype=torch.bfloat16)
        assert system.model.dtype == torch.bfloat16
        assert {tensor.dtype for tensor in system.codec.parameters()} == {torch.float32}
        assert {tensor.dtype for tensor in system.text.encoder.parameters()} == {torch.float32}

    def test_half_precision_files(self, magnet: Path):
        stored = restricted_load(magnet / "state_dict.bin")
        stored["best_state"] = {name: tensor.half() for name, tensor in stored["best_state"].items()}
        torch.save(stored, magnet / "state_dict.bin")
        assert load_magnet(magnet).model.dtype == torch.float32


class TestMusicGen:
    """audiocraft's layout."""

    def test_is_one_system(self, published: dict[str, Path]):
        system = load(published["musicgen"])
        assert isinstance(system, MusicGenSystem)
        assert system.decoding == MusicGenDecoding(), "the file has the official ones"
        assert (system.decoding.sampling.top_k, system.decoding.sampling.top_p) == (250, 1.0)
        assert system.duration == 1.0

    @torch.no_grad()
    def test_logits_are_the_references(self, published: dict[str, Path]):
        tensors = golden("musicgen_forward")
        model = load_musicgen(published["musicgen"]).model
        logits = model.logits(tensors["T37.codes"], model.condition_on(tensors["cond"]))
        torch.testing.assert_close(logits, tensors["T37.full.logits"], **CLOSE)

    @pytest.mark.parametrize(
        ("path", "value", "expected"),
        [
            ("generate.lm.temp", 0.7, {"temperature": 0.7}),
            ("generate.lm.top_k", 20, {"top_k": 20}),
            ("generate.lm.top_p", 0.6, {"top_p": 0.6, "top_k": 0}),
            ("classifier_free_guidance.inference_coef", 5.0, {"guidance_scale": 5.0}),
        ],
    )
    def test_every_setting_is_read(self, path: str, value: float, expected: dict[str, Any]):
        assert MusicGenDecoding(**package("musicgen", path, value).musicgen_decoding()) == MusicGenDecoding(**expected)

    def test_keys_of_older_files_are_passed_over(self):
        stored = package("musicgen")
        assert "merge_text_conditions_p" in stored["conditioners.args"]
        assert stored.text_encoder == "t5-base"

    def test_keys_of_later_files_may_be_missing(self, musicgen: Path):
        reconfigure(musicgen, interleave_stereo_codebooks=None, fuser={"cross": ["description"]})
        assert isinstance(load(musicgen), MusicGenSystem)


class TestTransformers:
    """transformers' layout, equal to transformers."""

    @pytest.fixture(scope="class")
    def saved(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
        folder = tmp_path_factory.mktemp("transformers")
        return folder, transformers_musicgen(folder)

    @pytest.fixture
    def folder(self, saved: tuple[Path, Any], tmp_path: Path) -> Path:
        return shutil.copytree(saved[0], tmp_path / "transformers")

    @torch.no_grad()
    def test_text_logits_and_sound(self, saved: tuple[Path, Any]):
        folder, theirs = saved
        system = load(folder)
        assert isinstance(system, MusicGenSystem)
        generator = torch.Generator().manual_seed(0)
        codes = torch.randint(32, (2, 4, 12), generator=generator)
        sequence = system.model.pattern.delayed(codes, system.model.mask_token)
        ids, mask = system.text.tokens([CAPTION, "house with 80s"])
        assert mask[0].all(), "transformers hides padding from the cross-attention, which audiocraft does not"
        expected = theirs(
            input_ids=ids[:1], attention_mask=mask[:1].long(), decoder_input_ids=sequence[:1].flatten(0, 1)
        ).logits.unflatten(0, (1, 4))
        ours = system.model.sequence_logits(sequence[:1], system.condition([CAPTION]))
        torch.testing.assert_close(ours, expected, **CLOSE)
        assert ours.std() > 0.3
        sound = theirs.audio_encoder.decode(codes[None], [None]).audio_values
        torch.testing.assert_close(system.codec.decode(codes), sound, atol=1e-5, rtol=0)

    def test_sizes_and_settings(self, saved: tuple[Path, Any]):
        system = load_musicgen(saved[0])
        assert (system.codec.sample_rate, system.codec.levels, system.codec.frame_rate) == (32_000, 4, 50.0)
        assert (system.model.config.condition_dim, system.text.width) == (32, 32)
        assert system.decoding == MusicGenDecoding()
        assert system.duration == 30.0

    def test_several_files(self, saved: tuple[Path, Any], tmp_path: Path):
        transformers_musicgen(tmp_path / "shards", max_shard_size="50KB")
        assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
        whole, shards = load(saved[0]).model.state_dict(), load(tmp_path / "shards").model.state_dict()
        assert all(torch.equal(whole[name], shards[name]) for name in whole)
        next((tmp_path / "shards").glob("model-*.safetensors")).unlink()
        with pytest.raises(InputError, match=r"expected a safetensors file at .*model-000"):
            load(tmp_path / "shards")

    def test_position_tables_of_older_files_are_passed_over(self, folder: Path):
        tensors = load_file(folder / "model.safetensors")
        tensors["decoder.model.decoder.embed_positions.weights"] = torch.zeros(2048, 16)
        save_file(tensors, folder / "model.safetensors")
        assert isinstance(load(folder), MusicGenSystem)

    def test_is_preferred_to_a_package_beside_it(self, folder: Path, magnet: Path):
        shutil.copy(magnet / "state_dict.bin", folder)
        assert isinstance(load(folder), MusicGenSystem), "it is complete, a package is not"
        (folder / "model.safetensors").unlink()
        shutil.copy(magnet / "compression_state_dict.bin", folder)
        shutil.copytree(magnet / "t5-base", folder / "t5-base")
        assert isinstance(load(folder), MagnetSystem)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("decoder.model.decoder.layers.1.self_attn.q_proj.weight", None),
            ("enc_to_dec_proj.bias", None),
            ("decoder.model.decoder.layers.0.fc1.bias", torch.zeros(64)),
        ],
    )
    def test_parameters_are_all_there_and_no_others(self, folder: Path, name: str, change: torch.Tensor | None):
        tensors = load_file(folder / "model.safetensors")
        tensors.pop(name, None)
        save_file(tensors if change is None else {**tensors, name: change}, folder / "model.safetensors")
        with pytest.raises(InputError, match="expected the tensors of MusicGen"):
            load(folder)

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("audio_channels", 2, "a decoder with audio_channels = 1, got 2"),
            ("activation_function", "relu", "activation_function = 'gelu'"),
            ("hidden_size", None, "hidden_size: expected|dim"),
        ],
    )
    def test_other_architectures(self, folder: Path, key: str, value: object, message: str):
        config = json.loads((folder / "config.json").read_text())
        config["decoder"][key] = value
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match=message):
            load(folder)

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("model.safetensors", r"expected model.safetensors or .*hf download facebook/"),
            ("tokenizer.json", r"T5's tokenizer in .*tokenizer.json"),
        ],
    )
    def test_missing_files(self, folder: Path, file: str, message: str):
        (folder / file).unlink()
        with pytest.raises(InputError, match=message):
            load(folder)

    def test_incomplete_configurations(self, folder: Path):
        (folder / "config.json").write_text('{"model_type": "musicgen"}')
        with pytest.raises(InputError, match="expected the sizes of text_encoder"):
            load(folder)


class TestOffline:
    """What is missing is one line that says what to fetch and where to put it."""

    @pytest.mark.parametrize("name", [name for name, kind in OFFICIAL.items() if kind in ("audiocraft", "musicgen")])
    def test_official_names(self, name: str):
        with pytest.raises(InputError) as caught:
            load(name)
        assert fetch_command(name) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert (name, OFFICIAL[name], False) in {(model.name, model.kind, model.here) for model in list_models()}

    def test_commands_bring_all_parts(self):
        assert fetch_command("facebook/magnet-small-10secs") == (
            "hf download facebook/magnet-small-10secs state_dict.bin compression_state_dict.bin"
            " && hf download google-t5/t5-base config.json model.safetensors tokenizer.json"
            " && hf download facebook/encodec_32khz config.json model.safetensors"
        )
        assert fetch_command("facebook/audio-magnet-medium") == (
            "hf download facebook/audio-magnet-medium state_dict.bin compression_state_dict.bin"
            " && hf download google-t5/t5-large config.json model.safetensors tokenizer.json"
        )
        assert fetch_command("facebook/musicgen-large") == "hf download facebook/musicgen-large --include '*.[js]*'"
        assert fetch_command("amphion/MaskGCT") == "hf download amphion/MaskGCT"

    def test_all_from_the_cache(self, magnet: Path, cache: Path):
        shutil.move(magnet / "t5-base", magnet.parent / "t5")
        put_in_cache(cache, "facebook/magnet-small-10secs", magnet)
        put_in_cache(cache, "google-t5/t5-base", magnet.parent / "t5")
        assert isinstance(load("facebook/magnet-small-10secs"), MagnetSystem)

    def test_some_files_of_a_repository_are_enough(self, magnet: Path, cache: Path):
        place = put_in_cache(cache, "facebook/magnet-small-10secs", magnet)
        (place / "trees").mkdir()
        files = {name: {"size": 1, "blob_id": "0"} for name in ("README.md", "state_dict.bin")}
        (place / "trees" / "0123.json").write_text(json.dumps({"format_version": 1, "files": files}))
        assert isinstance(load("facebook/magnet-small-10secs"), MagnetSystem)

    @pytest.mark.parametrize("part", ["t5-base", "encodec_32khz"])
    def test_parts_that_are_published_apart(self, magnet: Path, part: str):
        shutil.copy(POINTER, magnet / "compression_state_dict.bin")
        if part == "t5-base":
            shutil.rmtree(magnet / part)
        with pytest.raises(InputError, match=rf"hf download .*/{part} config.json model.safetensors") as caught:
            load(magnet)
        assert str(magnet / part) in str(caught.value)

    def test_a_codec_that_is_pointed_to_may_lie_beside_the_package(self, magnet: Path):
        shutil.copy(POINTER, magnet / "compression_state_dict.bin")
        transformers_musicgen(magnet / "whole").audio_encoder.save_pretrained(magnet / "encodec_32khz")
        shutil.rmtree(magnet / "whole")
        with pytest.raises(InputError, match="codec with 4 levels of 64 codes, got 4 of 32"):
            load(magnet)

    def test_a_package_without_its_codec(self, magnet: Path):
        (magnet / "compression_state_dict.bin").unlink()
        with pytest.raises(InputError, match=r"hf download facebook/.* compression_state_dict.bin --local-dir"):
            load(magnet)

    def test_a_folder_with_nothing(self, tmp_path: Path):
        with pytest.raises(InputError, match="MAGNeT or MusicGen"):
            load(tmp_path)


class TestRefused:
    """Packages that are damaged, or of models with other parts."""

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("channels", 2),
            ("transformer_lm.activation", "relu"),
            ("transformer_lm.norm_first", False),
            ("transformer_lm.positional_embedding", "rope"),
            ("transformer_lm.past_context", 100),
            ("fuser.prepend", ["self_wav", "description"]),
            ("fuser.cross", []),
            ("conditioners.description.model", "clap"),
            ("conditioners.description.t5.normalize_text", True),
            ("codebooks_pattern.modeling", "delay"),
        ],
    )
    def test_other_architectures(self, path: str, value: object):
        with pytest.raises(InputError, match=rf"expected a model with {path} = "):
            package("magnet", path, value)

    @pytest.mark.parametrize(
        ("path", "value"),
        [("codebooks_pattern.modeling", "parallel"), ("codebooks_pattern.delay.delays", [0, 0, 1, 1])],
    )
    def test_other_patterns(self, path: str, value: object):
        with pytest.raises(InputError, match=rf"expected a model with {path} = "):
            package("musicgen", path, value)

    def test_other_kinds_of_models(self):
        with pytest.raises(InputError, match="lm_model to be one of transformer_lm_magnet, transformer_lm, got 'flow"):
            package("magnet", "lm_model", "flow_matching")

    @pytest.mark.parametrize("value", [{}, None, {"segment_duration": "${dataset.segment_duration}"}])
    def test_values_that_are_needed(self, value: object):
        stored = package("magnet", "dataset", value)
        with pytest.raises(InputError, match=r"a value for dataset.segment_duration in xp.cfg"):
            _ = stored.duration

    def test_values_that_are_no_numbers(self):
        with pytest.raises(InputError, match=r"a number for transformer_lm.dim in xp.cfg, got 'wide'"):
            package("magnet", "transformer_lm.dim", "wide").sizes()

    @pytest.mark.parametrize(
        ("text", "message"), [("a: [", "expected YAML in xp.cfg"), ("3", "names and values in xp")]
    )
    def test_broken_configurations(self, magnet: Path, text: str, message: str):
        torch.save({"best_state": {}, "xp.cfg": text}, magnet / "state_dict.bin")
        with pytest.raises(InputError, match=message) as caught:
            load(magnet)
        assert "\n" not in str(caught.value)

    def test_another_file_of_this_name(self, magnet: Path):
        shutil.copy(POINTER, magnet / "state_dict.bin")
        with pytest.raises(InputError, match=r'"best_state" and "xp\.cfg"'):
            load(magnet)

    def test_other_weights(self, magnet: Path):
        stored = restricted_load(magnet / "state_dict.bin")
        del stored["best_state"]["out_norm.bias"]
        torch.save(stored, magnet / "state_dict.bin")
        with pytest.raises(InputError, match=r"tensors of Magnet in .*state_dict.bin, got 1 missing"):
            load(magnet)

    def test_a_codec_of_another_sample_rate(self, magnet: Path):
        reconfigure(magnet, sample_rate=16_000)
        with pytest.raises(InputError, match="expected a codec at 16000 Hz, got one at 32000 Hz"):
            load(magnet)

    def test_loaders_are_strict_about_the_kind(self, published: dict[str, Path]):
        with pytest.raises(InputError, match=r"expected a MagnetSystem in .*, got a MusicGenSystem"):
            load_magnet(published["musicgen"])
        with pytest.raises(InputError, match=r"expected a MusicGenSystem in .*, got a MagnetSystem"):
            load_musicgen(published["magnet"])
