"""Captions to the hidden states of a T5 encoder: what MAGNeT and MusicGen attend to.

Papers: Raffel et al. 2020, arXiv:1910.10683 (T5); Copet et al. 2023, arXiv:2306.05284, "Model conditioning".
The projection to the model's width and the zeroing of padding belong to the models (golden magnet SPEC 5).
Shapes: B batch, L tokens of the longest text, E width of T5.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from audiogen.codecs.weights import local_repository, read_config
from audiogen.conditioning.encoder import TextStates
from audiogen.errors import InputError
from audiogen.extras import need

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import T5EncoderModel

TOKENIZER_FILE = "tokenizer.json"
FILES = ("config.json", "model.safetensors", TOKENIZER_FILE)
"""What a T5 needs of its repository."""
PAD = 0
"""Token that fills up the shorter texts of a batch."""


def drop_words(texts: Sequence[str | None], probability: float, generator: random.Random) -> list[str]:
    """Each text without some of its words: what training reads instead of the whole captions.

    Words are what single spaces separate, empty ones included; each has one draw, in order over the batch.
    """
    return [" ".join(word for word in (text or "").split(" ") if generator.random() >= probability) for text in texts]


class T5Text:
    """A frozen T5 encoder with its tokenizer.

    On purpose no module: what contains it neither trains nor saves it.
    """

    def __init__(self, tokenizer: "Tokenizer", encoder: "T5EncoderModel"):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.encoder = encoder.eval().requires_grad_(False)

    @classmethod
    def load(cls, name: str, folder: Path) -> "T5Text":
        """The published T5 `name` from a folder of that name in `folder`, or from the Hugging Face cache.

        Raises:
            InputError: neither is there (the message says what to fetch), or a file is damaged.
        """
        from audiogen.checkpoints import read_safetensors

        # the first models of the hub had no owner in their names; they were given one later
        names = (name,) if "/" in name else (f"google-t5/{name}", name)
        source = local_repository(names, FILES, folder)
        weights = source / "model.safetensors"
        return cls.assemble(read_config(source) or {}, read_safetensors(weights), source / TOKENIZER_FILE, weights)

    @classmethod
    def assemble(
        cls, config: Mapping[str, object], tensors: Mapping[str, Tensor], tokenizer: Path, source: Path
    ) -> "T5Text":
        """From the parts of a checkpoint.

        Args:
            config: T5's config.json.
            tensors: named as in transformers' T5EncoderModel; a decoder among them is passed over.
            tokenizer: the file tokenizer.json.
            source: where the tensors are from, for error messages.
        Raises:
            InputError: tensors or files do not fit.
        """
        from audiogen.checkpoints import assign_weights

        transformers = need("transformers", "codecs")
        with torch.device("meta"):
            encoder = transformers.T5EncoderModel(transformers.T5Config.from_dict(dict(config)))
        shared = {name: tensors[key] for name, key in _embedding_names(tensors).items()}
        needed = encoder.state_dict().keys()
        assign_weights(encoder, {name: t for name, t in {**tensors, **shared}.items() if name in needed}, source)
        encoder.set_input_embeddings(encoder.shared)
        return cls(read_tokenizer(tokenizer, "T5"), encoder)

    @property
    def width(self) -> int:
        """E."""
        return self.encoder.config.d_model

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.encoder.shared.weight.device

    def to(self, device: torch.device | str) -> "T5Text":
        """The same conditioner, moved."""
        self.encoder.to(device)
        return self

    def tokens(self, texts: Sequence[str | None]) -> tuple[Tensor, Tensor]:
        """Token ids [B, L] int64, filled up on the right, and the mask [B, L] of `TextStates`. None is "".

        A text of blanks is not empty: its tokens are in the mask.
        """
        assert texts, "no texts"
        whole = [text or "" for text in texts]
        rows = [torch.tensor(encoding.ids) for encoding in self.tokenizer.encode_batch(whole)]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
        lengths = torch.tensor([len(row) if text else 0 for row, text in zip(rows, whole, strict=True)])
        return ids, torch.arange(ids.shape[1]) < lengths[:, None]

    def state_dict(self) -> dict[str, Tensor]:
        """The encoder's weights."""
        return self.encoder.state_dict()

    @torch.no_grad()
    def __call__(self, texts: Sequence[str | None]) -> TextStates:
        """B texts -> their states. None and "" have none: they condition on nothing."""
        ids, mask = (tensor.to(self.device) for tensor in self.tokens(texts))
        states = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        # not a product: where a whole row is masked, some attention kernels give NaN
        return TextStates(states.masked_fill(~mask[..., None], 0.0), mask)


def _embedding_names(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Files hold the token table once, under either of its two names: name -> the one that is there."""
    names = ("shared.weight", "encoder.embed_tokens.weight")
    found = next((name for name in names if name in tensors), None)
    return dict.fromkeys(names, found) if found else {}


def read_tokenizer(path: Path, owner: str) -> "Tokenizer":
    """The tokenizer in a file tokenizer.json; `owner` is whose it is, for the error message.

    Raises:
        InputError: no such file, or a damaged one.
    """
    tokenizers = need("tokenizers", "codecs")
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no class of its own
        raise InputError(f"expected {owner}'s tokenizer in {path}, got: {error}. Fetch the file again.") from error
