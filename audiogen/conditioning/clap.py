"""CLAP: one vector for a sound and for what is said of it; SpecMaskGIT trains with the first and generates from both.

Paper: Wu et al. 2023, arXiv:2211.06687 (LAION-CLAP: HTS-AT hears, RoBERTa reads), as `transformers` has it.
Ours: sounds of more than 10 s are heard in equal parts, whose vectors are averaged, where the published code hears one
part at random.
Shapes: B batch, S samples, L tokens of the longest text, E width of an embedding.
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.codecs.weights import local_repository, read_weights
from audiogen.conditioning.embedder import resampled
from audiogen.conditioning.t5 import read_tokenizer
from audiogen.errors import InputError
from audiogen.extras import need

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import ClapFeatureExtractor, ClapModel

CLAP_NAME = "laion/clap-htsat-unfused"
TOKENIZER_FILE, EXTRACTOR_FILE = "tokenizer.json", "preprocessor_config.json"
FILES = ("config.json", EXTRACTOR_FILE, TOKENIZER_FILE)
"""What a CLAP needs of its repository, besides its weights."""
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
"""Either of these; the published models have the second."""
LONGEST = 77
"""Tokens of a text that are read, as in CLAP's training."""


class Clap:
    """A frozen CLAP with its tokenizer; an `Embedder`.

    On purpose no module: what contains it neither trains nor saves it.
    """

    def __init__(self, tokenizer: "Tokenizer", extractor: "ClapFeatureExtractor", model: "ClapModel"):
        tokenizer.no_padding()
        tokenizer.enable_truncation(LONGEST)
        self.tokenizer = tokenizer
        self.extractor = extractor
        self.model = model.eval().requires_grad_(False)

    @classmethod
    def load(cls, name: str = CLAP_NAME, folder: Path = Path()) -> "Clap":
        """The published CLAP `name` from a folder of that name in `folder`, or from the Hugging Face cache.

        Raises:
            InputError: neither is there (the message says what to fetch), or a file is damaged.
        """
        from audiogen.checkpoints.folders import read_config

        weights = _find_weights(name, folder)
        source = weights.parent
        config, extractor = read_config(source), read_config(source, EXTRACTOR_FILE)
        return cls.assemble(config, extractor, read_weights(weights), source / TOKENIZER_FILE, weights)

    @classmethod
    def assemble(
        cls,
        config: Mapping[str, Any],
        extractor: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        tokenizer: Path,
        source: Path,
    ) -> "Clap":
        """From the parts of a checkpoint.

        Args:
            config, extractor: CLAP's config.json and preprocessor_config.json.
            tensors: named as in transformers' ClapModel; others among them are passed over.
            tokenizer: the file tokenizer.json.
            source: where the tensors are from, for error messages.
        Raises:
            InputError: tensors or files do not fit.
        """
        from audiogen.checkpoints import assign_weights

        transformers = need("transformers", "codecs")
        # not on the meta device: some versions have tables that are not stored
        model = transformers.ClapModel(transformers.ClapConfig.from_dict(dict(config)))
        needed = model.state_dict().keys()
        assign_weights(model, {name: tensor for name, tensor in tensors.items() if name in needed}, source)
        hearing = transformers.ClapFeatureExtractor.from_dict(dict(extractor))
        return cls(read_tokenizer(tokenizer, "CLAP"), hearing, model)

    @property
    def width(self) -> int:
        """E."""
        return self.model.config.projection_dim

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.logit_scale_a.device

    def to(self, device: torch.device | str) -> "Clap":
        """The same embedder, moved."""
        self.model.to(device)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """The network's weights."""
        return self.model.state_dict()

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """B captions -> [B, E] of length 1; zeros for a caption without a word."""
        encodings = self.tokenizer.encode_batch(list(texts))
        rows = [torch.tensor(encoding.ids) for encoding in encodings]
        padding = self.model.config.text_config.pad_token_id
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
        lengths = torch.tensor([len(row) for row in rows])
        read = torch.arange(ids.shape[1]) < lengths[:, None]
        pooled = self.model.text_model(
            input_ids=ids.to(self.device), attention_mask=read.long().to(self.device)
        ).pooler_output
        said = torch.tensor([bool(text.strip()) for text in texts], device=self.device)
        return F.normalize(self.model.text_projection(pooled), dim=-1) * said[:, None]

    @torch.no_grad()
    def embed_audio(self, audio: Tensor, sample_rate: int) -> Tensor:
        """B sounds [B, 1, S] at any sample rate (Hz) -> [B, E] of length 1.

        Raises:
            InputError: another shape.
        """
        heard = resampled(audio, sample_rate, self.extractor.sampling_rate).cpu()
        parts = heard.chunk(-(-heard.shape[-1] // self.extractor.nb_max_samples), dim=-1)
        return F.normalize(torch.stack([self._hear(part) for part in parts]).mean(dim=0), dim=-1)

    def _hear(self, audio: Tensor) -> Tensor:
        """Sounds [B, S] of no more than 10 s, at CLAP's sample rate -> [B, E]."""
        features = self.extractor(list(audio.numpy()), sampling_rate=self.extractor.sampling_rate, return_tensors="pt")[
            "input_features"
        ].to(self.device)
        longer = torch.zeros(len(audio), 1, dtype=torch.bool, device=self.device)  # the extractor picks one at random
        pooled = self.model.audio_model(input_features=features, is_longer=longer).pooler_output
        return F.normalize(self.model.audio_projection(pooled), dim=-1)


def _find_weights(name: str, folder: Path) -> Path:
    """The weights of the CLAP `name`, with all else that it needs beside them."""
    for file in WEIGHTS_FILES[:-1]:
        with contextlib.suppress(InputError):
            return local_repository((name,), (*FILES, file), folder) / file
    return local_repository((name,), (*FILES, WEIGHTS_FILES[-1]), folder) / WEIGHTS_FILES[-1]
