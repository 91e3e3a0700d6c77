"""VampNet's training: masks of prompts, a batch that is overfitted, runs that go on after a kill."""

import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator

from audiogen.checkpoints.save import save_model
from audiogen.checkpoints.vampnet import load_vamp, pack_vamp
from audiogen.codecs.nano_music import NanoMusicCodec, NanoMusicCodecConfig
from audiogen.errors import InputError
from audiogen.models.vampnet import VampNet, VampNetConfig
from audiogen.prompts import Grid
from audiogen.training import vamp
from audiogen.training.clips import write_clips
from audiogen.training.fit import FitConfig, step_generator
from audiogen.training.masking import sobol
from audiogen.training.vamp import FINE, VampTask, VampTraining, choose_weights, draw_prompt, hide, train_vamp

SIZES = VampNetConfig(levels=4, dim=32, layers=2, heads=2, vocab_size=32, codebook_dim=4, lora_rank=0)
CONFIG = VampTraining(
    fit=FitConfig(steps=6, precision="32-true", warmup=2, checkpoint_every=2, validate_every=3, record_every=1),
    model=SIZES,
    batch_size=2,
    seconds=0.5,
)
GRID = Grid(4, 40, 50.0)


def network(**changes):
    torch.manual_seed(0)
    sizes = replace(SIZES, **changes)
    return VampNet(sizes, torch.randn(sizes.levels, sizes.vocab_size, sizes.codebook_dim))


def random_codes(batch, levels=4, frames=40):
    return torch.randint(32, (batch, levels, frames), generator=Generator().manual_seed(5))


def test_loss_on_random_codes_starts_near_log_v():
    batch = hide(random_codes(8), torch.zeros(8), replace(CONFIG, prompts=0.0), GRID, Generator())
    assert batch.mask.all()
    losses = VampTask(network(), CONFIG).loss(batch, Generator())
    assert float(losses["loss"].detach()) == pytest.approx(math.log(32), abs=0.5)


def test_one_batch_is_overfitted():
    task = VampTask(network(dim=64, dropout=0.0), replace(CONFIG, label_smoothing=0.0))
    batch = hide(random_codes(4), torch.linspace(0.5, 0.8, 4), CONFIG, GRID, step_generator(0, 0))
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-2)
    for _ in range(60):
        found = task.loss(batch, Generator())
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
    found = task.eval().loss(batch, Generator())
    assert float(found["loss"].detach()) < 0.2
    assert float(found["accuracy"]) > 0.95


def test_given_levels_are_never_hidden_and_smoothing_is_for_training_only():
    model = network(levels=6, condition_levels=4, dropout=0.0)
    config = replace(CONFIG, model=model.config, prompts=0.0)
    batch = hide(random_codes(3, 6), torch.full((3,), 0.5), config, Grid(6, 40, 50.0), Generator().manual_seed(0))
    assert not batch.mask[:, :4].any()
    assert batch.mask[:, 4:].any()
    task = VampTask(model, config)
    plain = task.eval().loss(batch, Generator())["loss"]
    smoothed = task.train().loss(batch, Generator())["loss"]
    assert not torch.equal(smoothed, plain)


def test_prompts_are_all_drawn_and_leave_something_to_generate():
    generator = Generator().manual_seed(0)
    drawn = [draw_prompt(4, 5.0, generator) for _ in range(60)]
    names = {str(prompt).partition("(")[0] for prompt in drawn}
    assert names >= {"periodic", "random", "inpaint", "levels"}
    grid = Grid(4, 250, 50.0)
    kept = torch.stack([prompt.keep(grid, generator) for prompt in drawn])
    assert not kept.all(dim=(1, 2)).any()
    assert kept.any(dim=(1, 2)).float().mean() > 0.9


def test_the_share_of_prompts_matters_and_what_they_keep_is_seen():
    shown = torch.zeros(64)
    codes = random_codes(64)
    rates = {}
    for share in (0.0, 0.5, 1.0):
        batch = hide(codes, shown, replace(CONFIG, prompts=share), GRID, Generator().manual_seed(0))
        rates[share] = batch.mask.all(dim=2).all(dim=1).float().mean()
    assert rates[0.0] == 1
    assert rates[0.5] == pytest.approx(0.5, abs=0.2)
    assert rates[1.0] < 0.1


@pytest.mark.parametrize("trained", ["all", "reference", "adapters"])
def test_only_the_chosen_weights_are_trained(trained):
    model = network(lora_rank=2)
    choose_weights(model, trained)
    moving = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    names = {name for name, _ in model.named_parameters()}
    base = {name.replace("lora_A", "weight") for name in names if "lora_A" in name}
    adapters = {name for name in names if "lora_" in name}
    assert base
    assert moving == {"all": names, "reference": names - base, "adapters": adapters}[trained]


def archive(folder, levels, clips=3):
    codes = {f"clip{index}": random_codes(1, levels, 60 + index)[0] for index in range(clips)}
    folder.mkdir(parents=True, exist_ok=True)
    write_clips(folder / "000000.safetensors", codes, "tiny", 50.0)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A tiny codec, and archives of all its 6 levels."""
    folder = tmp_path_factory.mktemp("data")
    codec = NanoMusicCodec.tiny("nano-codec-music")
    save_model(codec, "nano-codec-music", asdict(codec.config), folder / "codec")
    return {"train_tokens": archive(folder / "train", 6), "dev_tokens": archive(folder / "dev", 6)} | {
        "codec": folder / "codec"
    }


@pytest.mark.parametrize(("part", "levels"), [("coarse", (4, 0)), ("fine", (6, 4))])
def test_a_run_that_is_cut_short_goes_on_to_the_same_weights(data, part, levels, tmp_path, monkeypatch):
    whole = train_vamp(CONFIG, **data, exp_dir=tmp_path / "whole", part=part)
    config = json.loads((whole / "config.json").read_text())
    assert config["model_type"] == "vampnet"
    assert (config["levels"], config["condition_levels"]) == levels
    assert (config["vocab_size"], config["codebook_dim"]) == (32, 4)

    def hide_until_the_fifth_step(codes, shown, *rest):
        if torch.equal(shown, sobol(len(shown), 4, CONFIG.fit.seed)):
            raise RuntimeError("killed")
        return hide(codes, shown, *rest)

    monkeypatch.setattr(vamp, "hide", hide_until_the_fifth_step)
    with pytest.raises(RuntimeError, match="killed"):
        train_vamp(CONFIG, **data, exp_dir=tmp_path / "cut", part=part)
    monkeypatch.undo()
    assert (tmp_path / "cut" / "last.ckpt").exists()
    resumed = train_vamp(CONFIG, **data, exp_dir=tmp_path / "cut", part=part)
    expected, found = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert (tmp_path / "cut/train.jsonl").read_text() == (tmp_path / "whole/train.jsonl").read_text()


@pytest.mark.parametrize("part", ["coarse", "fine"])
def test_training_goes_on_from_a_packed_system(data, part, tmp_path):
    folders = {
        name: train_vamp(CONFIG, **data, exp_dir=tmp_path / name, part=name)  # type: ignore[arg-type]
        for name in ("coarse", "fine")
    }
    packed = pack_vamp(tmp_path / "packed", codec=data["codec"], **folders)[1]
    still = replace(CONFIG, start=str(packed), fit=replace(CONFIG.fit, steps=1, learning_rate=0.0))
    found = load_file(train_vamp(still, **data, exp_dir=tmp_path / "on", part=part) / "model.safetensors")
    expected = getattr(load_vamp(packed), part).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    wide = replace(still, model=replace(SIZES, dim=48))
    with pytest.raises(InputError, match="expected a model of the conf's sizes to start from"):
        train_vamp(wide, **data, exp_dir=tmp_path / "wide", part=part)


def test_archives_with_too_few_levels_are_refused(data, tmp_path):
    few = archive(tmp_path / "few", 5)
    with pytest.raises(InputError, match="6 levels or more, got 5"):
        train_vamp(CONFIG, **{**data, "train_tokens": few}, exp_dir=tmp_path, part="fine")


def test_the_small_models_and_their_codec_fit_into_16_mib_in_half_precision():
    fine = replace(FINE.model, condition_levels=4)
    modules = [VampNet(VampTraining().model), VampNet(fine), NanoMusicCodec(NanoMusicCodecConfig())]
    assert fine.levels == modules[-1].levels
    assert 2 * sum(tensor.numel() for module in modules for tensor in module.state_dict().values()) < 15.9 * 2**20
