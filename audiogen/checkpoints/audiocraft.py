"""The packages in which audiocraft's models are published: parameters, and the configuration of their training.

`state_dict.bin` is a dictionary of `best_state`, parameters by name, and `xp.cfg`, a YAML text (golden magnet SPEC 4).
Of the configuration only what is needed is read: the rest may refer to the environment of those who trained, older
files have keys that later ones dropped, and some values in it are placeholders.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from audiogen.checkpoints.safe import restricted_load
from audiogen.codecs.encodec_weights import lookup
from audiogen.codecs.weights import as_tuple, named_tensors
from audiogen.errors import InputError

PACKAGE_FILE, PACKAGE_CODEC_FILE = "state_dict.bin", "compression_state_dict.bin"
MAGNET, MUSICGEN = "transformer_lm_magnet", "transformer_lm"
"""Values of `lm_model`."""
_ABSENT = (KeyError, TypeError, RecursionError)
"""What `lookup` raises where there is no value."""
_FIXED = {
    "channels": 1,
    "interleave_stereo_codebooks.use": False,
    "transformer_lm.activation": "gelu",
    "transformer_lm.norm_first": True,
    "transformer_lm.past_context": None,
    "transformer_lm.positional_embedding": "sin",
    "transformer_lm.xpos": False,
    "fuser.sum": [],
    "fuser.prepend": [],
    "fuser.cross": ["description"],
    "fuser.input_interpolate": [],
    "fuser.cross_attention_pos_emb": False,
    "conditioners.description.model": "t5",
    "conditioners.description.t5.normalize_text": False,
}
"""What the models here are, of all that does not show in the parameters' names and shapes."""
_PATTERNS = {
    MAGNET: {"codebooks_pattern.modeling": "parallel", "codebooks_pattern.parallel.empty_initial": -1},
    MUSICGEN: {
        "codebooks_pattern.modeling": "delay",
        "codebooks_pattern.delay.flatten_first": 0,
        "codebooks_pattern.delay.empty_initial": 0,
    },
}
_SIZES = {
    "levels": "transformer_lm.n_q",
    "vocab_size": "transformer_lm.card",
    "dim": "transformer_lm.dim",
    "layers": "transformer_lm.num_layers",
    "heads": "transformer_lm.num_heads",
}
"""Field of both models' configurations -> dotted path."""
_MAGNET_DECODING = {
    "steps": "generate.lm.decoding_steps",
    "temperature": "generate.lm.temp",
    "annealed": "generate.lm.anneal_temp",
    "arrangement": "generate.lm.span_arrangement",
    "scoring": "generate.lm.span_scoring",
}
"""Argument of `magnet_plan` -> dotted path."""


def is_package(folder: Path) -> bool:
    """Whether `folder` has a package, and not the same model in the layout of transformers too, which is complete."""
    return (folder / PACKAGE_FILE).is_file() and not any(folder.glob("model*.safetensors"))


@dataclass(frozen=True)
class Package:
    """What `state_dict.bin` holds; InputError if it is a model with other parts than those here."""

    path: Path
    tensors: dict[str, Tensor]
    tree: Mapping[str, Any]
    """The configuration, as YAML has it."""

    @classmethod
    def read(cls, path: Path) -> "Package":
        """The package in `path`.

        Raises:
            InputError: no such file, damaged, another kind of file, or a model with other parts.
        """
        match restricted_load(path):
            case {"best_state": Mapping() as state, "xp.cfg": str(text)}:
                return cls(path, named_tensors(state, path), _tree(text, path))
            case _:
                raise InputError(
                    f'expected a dictionary with "best_state" and "xp.cfg" in {path}, got something else. '
                    f"Fetch the {PACKAGE_FILE} of a published MAGNeT or MusicGen."
                )

    def __post_init__(self) -> None:
        if self.kind not in _PATTERNS:
            raise InputError(
                f"{self.path}: expected lm_model to be one of {', '.join(_PATTERNS)}, got {self.kind!r}. "
                "`audiogen models` lists the models that can be read."
            )
        for path, value in {**_FIXED, **_PATTERNS[self.kind]}.items():
            self._expect(path, value)
        if self.kind == MUSICGEN:
            self._expect("codebooks_pattern.delay.delays", list(range(self.sizes()["levels"])))

    @property
    def kind(self) -> str:
        """MAGNET or MUSICGEN."""
        return str(self["lm_model"])

    @property
    def text_encoder(self) -> str:
        """The published name of the T5 that it was trained with."""
        return str(self["conditioners.description.t5.name"])

    @property
    def sample_rate(self) -> int:
        """Hz, of the codec it was trained with."""
        return int(self._number("sample_rate"))

    @property
    def duration(self) -> float:
        """Seconds of a training item."""
        return self._number("dataset.segment_duration")

    @property
    def span(self) -> int:
        """MAGNeT's; `transformer_lm.span_len` is a placeholder."""
        return int(self._number("masking.span_len"))

    @property
    def context(self) -> int:
        """MAGNeT's, in frames on each side."""
        return int(self._number("transformer_lm.subcodes_context"))

    def sizes(self) -> dict[str, int]:
        """What both models' configurations have in common, except the width of the text encoder."""
        return {field: int(self._number(path)) for field, path in _SIZES.items()}

    def magnet_decoding(self) -> dict[str, Any]:
        """Arguments of `magnet_plan`."""
        settings = {name: as_tuple(self[path]) for name, path in _MAGNET_DECODING.items()}
        guidance = (self._number("generate.lm.max_cfg_coef"), self._number("generate.lm.min_cfg_coef"))
        return {**settings, **self._filters(), "guidance": guidance, "span": self.span}

    def musicgen_decoding(self) -> dict[str, Any]:
        """Fields of `MusicGenDecoding`."""
        guidance_scale = self["classifier_free_guidance.inference_coef"]
        return {"temperature": self["generate.lm.temp"], "guidance_scale": guidance_scale, **self._filters()}

    def __getitem__(self, path: str) -> Any:
        """The value at a dotted path."""
        try:
            return lookup(self.tree, path)
        except _ABSENT as error:
            raise InputError(
                f"{self.path}: expected a value for {path} in xp.cfg, got none. Use the original file."
            ) from error

    def _number(self, path: str) -> float:
        value = self[path]
        if not isinstance(value, int | float):
            raise InputError(
                f"{self.path}: expected a number for {path} in xp.cfg, got {value!r}. Use the original file."
            )
        return float(value)

    def _filters(self) -> dict[str, Any]:
        """There 0 is off, and top-p comes before top-k; here 1 is off, and both act."""
        top_p, top_k = self["generate.lm.top_p"], self["generate.lm.top_k"]
        return {"top_p": top_p, "top_k": 0} if top_p else {"top_p": 1.0, "top_k": top_k}

    def _expect(self, path: str, value: object) -> None:
        try:
            found = lookup(self.tree, path)
        except _ABSENT:
            return  # none of these is in all files: what was added later had one value before
        if found != value:
            raise InputError(
                f"{self.path}: expected a model with {path} = {value!r}, got {found!r}. Such models are not supported: "
                "`audiogen models` lists those that are."
            )


def _tree(text: str, path: Path) -> Mapping[str, Any]:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise InputError(f"expected YAML in xp.cfg of {path}, got: {problem}. Fetch the file again.") from error
    if not isinstance(tree, Mapping):
        raise InputError(f"expected names and values in xp.cfg of {path}, got {tree!r}. Fetch the file again.")
    return tree
