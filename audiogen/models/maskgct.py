"""MaskGCT: text to semantic codes, semantic codes to acoustic codes, both by masked generation.

Paper: Wang et al. 2024, arXiv:2409.00750. "Text-to-Semantic Model" -> `TextToSemantic`, "Semantic-to-Acoustic Model"
-> `SemanticToAcoustic`. Behaviour and parameter names are those of the official checkpoints (golden maskgct SPEC 3-6),
which differ from the paper in the figures of SPEC 10.
Ours, off in official checkpoints: `aligned` (phones come per frame, from a duration model, and are added to the
frames) and `condition_layers` (convolutions over the condition), because little data does not teach alignment.
Shapes: B batch, K levels, T frames (voice prompt and target), V vocab_size, D width, P phones, S = P + T.

A training step (`audiogen.training.masking` draws the masks):

    draw = draw_acoustic_mask(len(codes), codes.shape[-1], model.config.levels, generator)
    condition = model.condition(semantic_codes, valid)
    logits = model.logits(codes.masked_fill(draw.mask, model.mask_token), condition, draw.stage, draw.time)
    loss = masked_cross_entropy(logits, codes[:, draw.stage.levels], draw.scored(valid))

and the same with `draw_semantic_mask` and `model.condition(phones, phones_valid, valid)` for text to semantic.
Decoding: `decode(model, codes, mask, model.condition(...), t2s_plan(), seed)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from audiogen.decoding.condition import Condition
from audiogen.decoding.confidence import Confidence
from audiogen.decoding.guidance import Guidance
from audiogen.decoding.plan import Plan, Stage
from audiogen.decoding.sampling import Sampling
from audiogen.decoding.schedule import Linear
from audiogen.errors import InputError
from audiogen.nn.transformer import EXPANSION, Prefix, TimeTransformer, initialise
from audiogen.nn.vocos import ConvNeXtBlock

SEMANTIC = Stage(levels=(0,))
"""What text to semantic generates: its only level."""


@dataclass(frozen=True, kw_only=True)
class TextToSemanticConfig:
    """Defaults: the official checkpoint, 746.4 M parameters."""

    dim: int = 1536
    """D."""
    layers: int = 16
    heads: int = 16
    vocab_size: int = 8192
    """V, semantic codes."""
    phone_vocab_size: int = 1024
    """Rows of the phone table; the last one is padding."""
    aligned: bool = False
    """Phones come per frame and are added to the frames; off, they stand in front of them."""
    condition_layers: int = 0
    """ConvNeXt blocks over the phone vectors."""
    dropout: float = 0.0
    """In training, on what every attention and MLP adds."""


@dataclass(frozen=True, kw_only=True)
class SemanticToAcousticConfig:
    """Defaults: the official 12-level checkpoint, 353.4 M parameters (the 1-level one has levels=1)."""

    dim: int = 1024
    """D."""
    layers: int = 16
    heads: int = 16
    levels: int = 12
    """K, levels the model reads and can generate."""
    vocab_size: int = 1024
    """V, acoustic codes per level."""
    semantic_vocab_size: int = 8192
    condition_layers: int = 0
    """ConvNeXt blocks over the semantic vectors."""
    dropout: float = 0.0
    """In training, on what every attention and MLP adds."""


class TextToSemantic(nn.Module):
    """Phones and a voice prompt's semantic codes -> the target's semantic codes; K = 1."""

    def __init__(self, config: TextToSemanticConfig):
        super().__init__()
        self.config = config
        self.mask_emb = nn.Embedding(1, config.dim)
        self.cond_emb = nn.Embedding(config.vocab_size, config.dim)
        self.phone_emb = nn.Embedding(config.phone_vocab_size, config.dim, padding_idx=config.phone_vocab_size - 1)
        self.to_logit = nn.Linear(config.dim, config.vocab_size)
        self.diff_estimator = TimeTransformer(config.dim, config.layers, config.heads, config.dropout)
        self.condition_convs = _convolutions(config.dim, config.condition_layers)
        initialise(self)

    @property
    def mask_token(self) -> int:
        return self.config.vocab_size

    def condition(
        self,
        phones: Tensor,
        phones_valid: Tensor | None = None,
        valid: Tensor | None = None,
        keep: Tensor | None = None,
    ) -> Condition:
        """What the codes depend on besides the voice prompt.

        Args:
            phones: [B, P] int64, prompt text followed by target text; aligned models: [B, T], one phone per frame.
            phones_valid: [B, P] bool, False on padding at the end; None: no padding. Aligned models use `valid`.
            valid: [B, T] bool, False on padded frames; None: no padding, also not in a batch made by `Condition.cat`.
            keep: [B] bool, False on items whose text is dropped (training for guidance); None: all are kept.
        Raises:
            InputError: a phone id is outside the table.
        """
        _check_ids("TextToSemantic", "phone", phones, self.config.phone_vocab_size)
        phones_valid = valid if self.config.aligned else phones_valid
        seen = torch.ones_like(phones, dtype=torch.bool) if phones_valid is None else phones_valid.bool()
        if keep is not None:
            seen = seen & keep[:, None]
        vectors = self.diff_estimator.cond_mlp(self.phone_emb(phones))
        vectors = _convolve(self.condition_convs, vectors, seen)
        if self.config.aligned:
            frames = vectors * seen[..., None]
            valid = torch.ones_like(seen) if valid is None else valid.bool()
            return Condition({"valid": valid, "frames": frames}, {"frames": torch.zeros_like(frames)})
        text = _prefix_tensors(Prefix(vectors, seen, seen.sum(dim=1)))
        tensors = text if valid is None else {**text, "valid": valid.bool()}
        return Condition(tensors, _prefix_tensors(Prefix.empty(vectors)))

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        """`condition` with all that stays the same in every step of `stage`; unguided passes see the target alone.

        Args:
            codes: [B, 1, T] int64 with mask tokens.
            mask: [B, 1, T] bool, True = to be generated in this request.
        """
        _check_grid("TextToSemantic", codes, levels=1)
        valid = condition["valid"] if "valid" in condition else torch.ones_like(mask[:, 0])
        _check_frames("TextToSemantic", "condition", condition["frames"] if self.config.aligned else valid, codes)
        return condition.update({"visible": valid}, {"visible": mask[:, 0] & valid})

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor) -> Tensor:
        """Contextual vectors [B, T, D]; `condition` as `prepare` returns it, `time` [B] as in `logits`."""
        tokens = _embed(self.cond_emb, self.mask_emb, codes[:, 0], self.mask_token)
        if self.config.aligned:
            prefix = Prefix.empty(tokens)
            tokens = tokens + condition["frames"]
        else:
            prefix = Prefix(condition["text"], condition["text_valid"], condition["text_length"])
        return self.diff_estimator.over_frames(tokens, prefix, condition["visible"], time)

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        """[B, T, D] -> logits [B, 1, T, V]."""
        return self.to_logit(hidden)[:, None]

    def logits(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor) -> Tensor:
        """One pass from codes to logits, for training and inspection.

        Args:
            codes: [B, 1, T] int64, the mask token V where the code is hidden.
            condition: from `condition()`.
            stage: `SEMANTIC`; there is only one level.
            time: [B] float, diffusion time: 1 (all masked) .. 0 (done).
        Returns:
            [B, 1, T, V] logits.
        """
        return _logits(self, codes, condition, stage, time)


class SemanticToAcoustic(nn.Module):
    """Semantic codes and a voice prompt's acoustic codes -> the target's acoustic codes, one level at a time."""

    def __init__(self, config: SemanticToAcousticConfig):
        super().__init__()
        self.config = config
        self.layer_emb = nn.Embedding(config.levels, config.dim)
        self.mask_emb = nn.Embedding(1, config.dim)
        self.token_emb = nn.ModuleList(nn.Embedding(config.vocab_size, config.dim) for _ in range(config.levels))
        self.to_logits = nn.ModuleList(nn.Linear(config.dim, config.vocab_size) for _ in range(config.levels))
        self.cond_emb = nn.Embedding(config.semantic_vocab_size, config.dim)
        self.diff_estimator = TimeTransformer(config.dim, config.layers, config.heads, config.dropout)
        self.condition_convs = _convolutions(config.dim, config.condition_layers)
        self.register_load_state_dict_pre_hook(_drop_unused_table)
        initialise(self)

    @property
    def mask_token(self) -> int:
        return self.config.vocab_size

    def condition(self, semantic_codes: Tensor, valid: Tensor | None = None) -> Condition:
        """What the codes depend on besides the voice prompt.

        Args:
            semantic_codes: [B, T] int64, of prompt and target.
            valid: [B, T] bool, False on padded frames; None: no padding.
        Raises:
            InputError: a semantic code is outside the table.
        """
        _check_ids("SemanticToAcoustic", "semantic code", semantic_codes, self.config.semantic_vocab_size)
        valid = torch.ones_like(semantic_codes, dtype=torch.bool) if valid is None else valid.bool()
        return Condition({"valid": valid, "semantic_codes": semantic_codes})

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        """`condition` with all that stays the same in every step of `stage`; unguided passes see the target alone.

        A cell of another level adds its code's vector, the mask's vector while it is still to be generated, and nothing
        if it is neither known nor wanted (levels above those of the request).

        Args:
            codes: [B, K, T] int64 with mask tokens.
            mask: [B, K, T] bool, True = to be generated in this request.
        """
        _check_grid("SemanticToAcoustic", codes, self.config.levels)
        _check_frames("SemanticToAcoustic", "semantic codes", condition["semantic_codes"], codes)
        level, valid = self._level(stage), condition["valid"]
        constant = self._level_condition(condition["semantic_codes"], valid, level)
        constant = constant + self._other_levels(codes, mask, level)
        target = mask.any(dim=1) & valid
        return condition.update({"constant": constant, "visible": valid}, {"visible": target})

    def _level_condition(self, semantic_codes: Tensor, valid: Tensor, level: int) -> Tensor:
        """Condition vectors [B, T, D] of one level."""
        vectors = self.diff_estimator.cond_mlp(self.cond_emb(semantic_codes) + self.layer_emb.weight[level])
        return _convolve(self.condition_convs, vectors, valid)

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor) -> Tensor:
        """Contextual vectors [B, T, D]; `condition` as `prepare` returns it, `time` [B] as in `logits`."""
        vectors = condition["constant"] + self._level_vectors(codes, self._level(stage))
        return self.diff_estimator.over_frames(vectors, Prefix.empty(vectors), condition["visible"], time)

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        """[B, T, D] -> logits [B, 1, T, V] of the level that `stage` generates."""
        return self.to_logits[self._level(stage)](hidden)[:, None]

    def logits(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor) -> Tensor:
        """One pass from codes to logits, for training and inspection.

        Args:
            codes: [B, K, T] int64, the mask token V where the code is hidden.
            condition: from `condition()`.
            stage: names the one level to compute.
            time: [B] float, diffusion time: 1 (all masked) .. 0 (done).
        Returns:
            [B, 1, T, V] logits.
        """
        return _logits(self, codes, condition, stage, time)

    def _level(self, stage: Stage) -> int:
        if len(stage.levels) != 1 or stage.levels[0] >= self.config.levels:
            raise InputError(
                f"SemanticToAcoustic: expected a stage with one of the levels 0..{self.config.levels - 1}, "
                f"got levels {stage.levels}. Plan one stage per level."
            )
        return stage.levels[0]

    def _level_vectors(self, codes: Tensor, level: int) -> Tensor:
        return _embed(self.token_emb[level], self.mask_emb, codes[:, level], self.mask_token)

    def _other_levels(self, codes: Tensor, mask: Tensor, level: int) -> Tensor:
        """Sum [B, T, D] over all levels but `level`: vectors of known codes, the mask's vector for wanted ones."""
        others = [other for other in range(self.config.levels) if other != level]
        known = codes != self.mask_token
        hidden = (mask & ~known)[:, others].sum(dim=1)
        total = hidden[..., None] * self.mask_emb.weight[0]
        for other in others:
            seen = known[:, other]
            total = total + self.token_emb[other](codes[:, other].masked_fill(~seen, 0)) * seen[..., None]
        return total


def _logits(
    model: TextToSemantic | SemanticToAcoustic, codes: Tensor, condition: Condition, stage: Stage, time: Tensor
) -> Tensor:
    prepared = model.prepare(codes, codes == model.mask_token, condition, stage)
    return model.head(model.hidden(codes, prepared, stage, time), stage)


def _embed(table: nn.Module, mask_table: nn.Embedding, codes: Tensor, mask_token: int) -> Tensor:
    """Token vectors [B, T, D] of codes [B, T], the mask's vector at mask tokens."""
    hidden = codes == mask_token
    return torch.where(hidden[..., None], mask_table.weight[0], table(codes.masked_fill(hidden, 0)))


def _convolutions(dim: int, blocks: int) -> nn.ModuleList:
    return nn.ModuleList(ConvNeXtBlock(dim, EXPANSION * dim, layer_scale=1 / blocks) for _ in range(blocks))


def _convolve(blocks: nn.ModuleList, vectors: Tensor, valid: Tensor) -> Tensor:
    """[B, T, D] through the blocks; padding is emptied before each, as if the item were alone."""
    for block in blocks:
        vectors = block((vectors * valid[..., None]).transpose(1, 2)).transpose(1, 2)
    return vectors


def _prefix_tensors(prefix: Prefix) -> dict[str, Tensor]:
    return {"text": prefix.vectors, "text_valid": prefix.valid, "text_length": prefix.length}


def _drop_unused_table(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Official files hold an empty tensor that no computation uses (golden maskgct SPEC 1.15)."""
    name = f"{prefix}diff_estimator.embed_tokens.weight"
    if name in state and state[name].numel() == 0:
        del state[name]


def _check_ids(model: str, what: str, ids: Tensor, size: int) -> None:
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < size:
        raise InputError(
            f"{model}: expected {what} ids in 0..{size - 1}, got {int(ids.min())}..{int(ids.max())}. "
            "Use the vocabulary this model was trained with."
        )


def _check_grid(model: str, codes: Tensor, levels: int) -> None:
    if codes.ndim != 3 or codes.shape[1] != levels:
        raise InputError(
            f"{model}: expected codes [B, K={levels}, T], got {list(codes.shape)}. "
            f"Encode with the tokenizer this model was trained with, or keep its first {levels} levels."
        )


def _check_frames(model: str, what: str, given: Tensor, codes: Tensor) -> None:
    if given.shape[:2] != (codes.shape[0], codes.shape[2]):
        raise InputError(
            f"{model}: expected {what} for {codes.shape[0]} items of {codes.shape[2]} frames, as the codes have, "
            f"got {given.shape[0]} of {given.shape[1]}. Prompt and target frames both count."
        )


def t2s_plan(
    steps: int = 25,
    guidance_scale: float = 3.5,
    rescale: float = 0.75,
    temperature: float = 0.9,
    top_fraction: float = 1 - 0.98,
) -> Plan:
    """Text to semantic, with the reference pipeline's defaults (its guidance strength 2.5 is a scale of 3.5)."""
    return Plan((_stage(0, steps, guidance_scale, rescale, temperature, top_fraction),))


def s2a_plan(
    steps: Sequence[int] = (25, 10, *[1] * 10),
    guidance_scale: float = 3.5,
    rescale: float = 0.75,
    temperature: float = 1.5,
    top_fraction: float = 1 - 0.98,
) -> Plan:
    """Semantic to acoustic, one stage per level of `steps`; stages whose level is given already are skipped."""
    settings = (guidance_scale, rescale, temperature, top_fraction)
    return Plan(tuple(_stage(level, count, *settings) for level, count in enumerate(steps)))


ONE_STEP_TEMPERATURE = 0.2
"""A level decoded in a single step is drawn at this temperature instead of being greedy (golden maskgct SPEC 1.5)."""


def _stage(
    level: int, steps: int, guidance_scale: float, rescale: float, temperature: float, top_fraction: float
) -> Stage:
    return Stage(
        levels=(level,),
        steps=steps,
        sampling=Sampling(
            temperature=Linear(temperature) if steps > 1 else ONE_STEP_TEMPERATURE,
            top_fraction=top_fraction,
            greedy_steps=1 if steps > 1 else 0,
        ),
        confidence=Confidence(temperature=Linear(1.0), tempered=False),
        guidance=Guidance(scale=guidance_scale, rescale=rescale, on="hidden"),
    )


def t2s_config(official: Mapping[str, Any]) -> TextToSemanticConfig:
    """From the `t2s_model` section of an official configuration file."""
    return TextToSemanticConfig(
        dim=official["hidden_size"],
        layers=official["num_layers"],
        heads=official["num_heads"],
        vocab_size=official["cond_codebook_size"],
    )


def s2a_config(official: Mapping[str, Any]) -> SemanticToAcousticConfig:
    """From the `s2a_model.s2a_1layer` or `.s2a_full` section of an official configuration file."""
    return SemanticToAcousticConfig(
        dim=official["hidden_size"],
        layers=official["num_layers"],
        heads=official["num_heads"],
        levels=official["num_quantizer"],
        vocab_size=official["codebook_size"],
        semantic_vocab_size=official["cond_codebook_size"],
    )
