"""The tiny MAGNeT and MusicGen of the golden fixtures in the layouts in which big ones are published."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file
from tiny_music import GOLDEN

ENCODEC = GOLDEN.parent / "encodec" / "encodec_tiny_compression_state_dict.bin"
POINTER = GOLDEN.parent / "encodec" / "pointer_compression_state_dict.bin"
TOKENIZER = GOLDEN / "t5_tiny_tokenizer.json"
T5_SIZES = {"vocab_size": 82, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4}


def official_magnet(folder: Path) -> Path:
    """audiocraft's layout: the reference's package, its tiny EnCodec, and a random T5 of the width of t5-base."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(GOLDEN / "magnet_tiny_state_dict.bin", folder / "state_dict.bin")
    shutil.copy(ENCODEC, folder / "compression_state_dict.bin")
    random_t5(folder / "t5-base")
    return folder


def official_musicgen(folder: Path) -> Path:
    """The same with MusicGen's weights and configuration, legacy keys included."""
    official_magnet(folder)
    config = json.loads((GOLDEN / "musicgen_tiny_xp_cfg.json").read_text())
    write_package(folder, load_file(GOLDEN / "musicgen_tiny.safetensors"), config)
    return folder


def write_package(folder: Path, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    package = {"best_state": tensors, "xp.cfg": yaml.safe_dump(config), "version": "1.0", "exported": True}
    torch.save(package, folder / "state_dict.bin")


def random_t5(folder: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        T5EncoderModel(T5Config(d_model=768, **T5_SIZES)).save_pretrained(folder)
    shutil.copy(TOKENIZER, folder / "tokenizer.json")


def transformers_musicgen(folder: Path, **saving: Any) -> Any:
    """transformers' layout, random weights; returns its model. `saving` are arguments of `save_pretrained`."""
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    config = MusicgenConfig(
        text_encoder=T5Config(d_model=32, **T5_SIZES).to_dict(),
        audio_encoder=EncodecConfig(
            sampling_rate=32_000,
            target_bandwidths=[1.0],  # 4 levels of 5 bits at 50 Hz
            num_filters=4,
            hidden_size=8,
            codebook_size=32,
            upsampling_ratios=[8, 5, 4, 4],
            use_causal_conv=False,
            use_conv_shortcut=False,
        ).to_dict(),
        decoder=MusicgenDecoderConfig(
            vocab_size=32,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            ffn_dim=64,
            num_codebooks=4,
            pad_token_id=32,
            bos_token_id=32,
        ).to_dict(),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MusicgenForConditionalGeneration(config).eval()
        for parameter in model.decoder.parameters():
            torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3)  # norms around 1
        for layer in model.audio_encoder.quantizer.layers:
            torch.nn.init.normal_(layer.codebook.embed, std=0.05)
    model.save_pretrained(folder, **saving)
    shutil.copy(TOKENIZER, folder / "tokenizer.json")
    return model
