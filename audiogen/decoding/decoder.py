"""The one loop: fill the masked cells of a grid of codes in a few parallel passes, surest cells first.

Papers: Chang et al. 2022, arXiv:2202.04200 (MaskGIT); what differs between its descendants is the `Plan`.
Shapes: B batch, K levels, k levels of a stage, T frames, U units per level, N cells, V vocab_size, D width.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from audiogen.decoding import confidence as ranks
from audiogen.decoding.condition import Condition
from audiogen.decoding.guidance import guide, rescale
from audiogen.decoding.noise import Noise, noise_from
from audiogen.decoding.plan import Plan, Stage
from audiogen.decoding.rescoring import Draft, Rescoring
from audiogen.decoding.sampling import NEVER, allowed_tokens, draw, gumbel_at
from audiogen.decoding.schedule import masked_counts, progress_at, value_at
from audiogen.decoding.trace import Step
from audiogen.errors import InputError


class MaskedModel(Protocol):
    """All that the loop asks of a network."""

    @property
    def mask_token(self) -> int:
        """The code that means "hidden", V."""
        ...

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        """Called once per stage: `condition` with what is the same in all its passes.

        The null of what it returns decides what an unguided pass sees; `mask` [B, K, T], the cells to be generated in
        this request, is there for models that drop more than the condition (MaskGCT drops the voice prompt).
        """
        ...

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor) -> Tensor:
        """[B, K, T] codes with mask tokens -> [B, T, D]. `time` [B]: 1 in the first pass of a stage, falling to 0."""
        ...

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        """[B, T, D] -> logits [B, k, T, V] of the levels that `stage` generates, of every frame by itself.

        Decoding hands in the frames that it needs, those of all items one after the other: B = 1.
        """
        ...


@torch.no_grad()
def decode(
    model: MaskedModel,
    codes: Tensor,
    mask: Tensor,
    condition: Condition,
    plan: Plan,
    seed: int | Sequence[int] | Noise = 0,
    on_step: Callable[[Step], None] | None = None,
    rescoring: Rescoring | None = None,
    evidence: Tensor | None = None,
) -> Tensor:
    """Generate the cells of `mask`, stage by stage; all others come back as they are.

    Args:
        model: the network, in evaluation mode.
        codes: [B, K, T] int64; what stands under the mask does not matter. A cell that is neither to be generated nor
            known holds the mask token (levels that are left out).
        mask: [B, K, T] bool, True = to be generated. Padding ("valid" of the condition) is left out of it.
        condition: from the model's `condition()`.
        plan: has a stage for every level with cells to generate; stages without any are skipped.
        seed: one for all items, one per item, or a source of noise. An item's codes depend on its own seed only: they
            are the same alone and in any batch.
        on_step: called after every pass (progress bars, `Trace.record`).
        rescoring: a second opinion on which tokens to keep; it does not change how they are drawn.
        evidence: [B, K, T, V], what else speaks for a token: log-likelihoods up to a constant of each cell, which are
            added to the logits, after guidance; 0 where nothing else is known.
    Returns:
        [B, K, T] int64.
    Raises:
        InputError: shapes, types, codes, plan or number of seeds do not fit together.
    """
    _check(model, codes, mask, plan, evidence)
    if "valid" in condition:
        _check_valid(condition["valid"], codes)
        mask = mask & condition["valid"][:, None]
    codes = codes.masked_fill(mask, model.mask_token)
    noise = noise_from(seed, len(codes), codes.device)
    planned, number = sum(stage.steps for stage in plan), 0
    for stage in plan:
        if mask[:, stage.levels].any():
            for step in _passes(model, codes, mask, condition, stage, noise, rescoring, evidence, number, planned):
                codes = step.codes
                if on_step is not None:
                    on_step(step)
        number += stage.steps
    return codes


def _passes(
    model: MaskedModel,
    codes: Tensor,
    mask: Tensor,
    condition: Condition,
    stage: Stage,
    noise: Noise,
    rescoring: Rescoring | None,
    evidence: Tensor | None,
    number: int,
    planned: int,
) -> Iterator[Step]:
    """The passes of one stage, until nothing is masked."""
    target = mask[:, stage.levels]
    valid = condition["valid"][:, None] if "valid" in condition else torch.ones_like(target)
    units = ranks.any_in_unit(target, stage.unit)
    total = units.flatten(1).sum(dim=1)
    if stage.schedule_total is not None:
        total = torch.full_like(total, stage.schedule_total)
    codes = codes.clone()  # from here on, each step hands out its own grid
    codes[:, stage.levels] = codes[:, stage.levels].masked_fill(target, model.mask_token)  # a second stage starts anew
    asker = _Asker(model, model.prepare(codes, mask, condition, stage), stage, target)
    masked, before = units, target
    for index in range(stage.steps):
        unfinished = units & masked.flatten(1).any(dim=1)[:, None, None]  # finished items draw no more random numbers
        places = ranks.cells_of(unfinished, stage.unit, codes.shape[-1]) & valid
        cells = ranks.cells_of(masked, stage.unit, codes.shape[-1]) & valid
        logits = asker.logits(codes, index, cells)
        if evidence is not None:
            logits = logits + evidence[:, stage.levels][cells]
        tokens, confidence = _propose(logits, cells, places, stage, index, noise, model.mask_token)
        filled = codes.clone()
        filled[:, stage.levels] = torch.where(before, tokens, codes[:, stage.levels])
        if rescoring is not None:
            draft = Draft(stage=stage, index=index, mask=mask, seen=codes, filled=filled)
            confidence = rescoring.mix(confidence, cells, draft)
        ranking = _rank(confidence, cells, masked, unfinished, stage, index, noise)
        masked = _masked_next(ranking, masked, valid, _counts(stage, index, total, masked), stage) & units
        after = ranks.cells_of(masked, stage.unit, codes.shape[-1]) & target
        codes = filled.clone()
        codes[:, stage.levels] = codes[:, stage.levels].masked_fill(after, model.mask_token)
        yield Step(stage, index, number + index, planned, tokens, confidence, ranking, before, after, codes)
        before = after
        if not masked.any():
            return


class _Asker:
    """Asks the model, pass after pass of one stage, with and without condition where the plan wants guidance."""

    def __init__(self, model: MaskedModel, condition: Condition, stage: Stage, target: Tensor):
        self.model, self.condition, self.stage, self.target = model, condition, stage, target
        self._difference: Tensor | None = None
        """[B, T, D], what leaving the condition out added to the vectors when both were last asked for."""

    def logits(self, codes: Tensor, index: int, cells: Tensor) -> Tensor:
        """Of `cells` [B, k, T] after guidance, float32 [N, V]; where the scale is 1 the model is asked once."""
        guidance = self.stage.guidance
        progress = progress_at(index, self.stage.steps)
        scale = guidance.scale_at(self.stage.schedule(progress))
        time = torch.full((len(codes),), 1 - progress, device=codes.device)
        if scale == 1:
            return self._head(self.model.hidden(codes, self.condition, self.stage, time), cells)
        hidden, null = self._branches(codes, time, fresh=index % guidance.every == 0)
        if guidance.on == "hidden":
            return self._head(self._guided(hidden, null, scale, self.target.any(dim=1)), cells)
        if not guidance.rescale:
            return guide(self._head(hidden, cells), self._head(null, cells), scale)
        hidden, null = (self.model.head(vectors, self.stage).float() for vectors in (hidden, null))
        return self._guided(hidden, null, scale, self.target)[cells]

    def _branches(self, codes: Tensor, time: Tensor, fresh: bool) -> tuple[Tensor, Tensor]:
        """Vectors [B, T, D] with and without condition.

        A GPU gets both in one batch. On a CPU this gains nothing, and without a condition there is less to compute.
        """
        if self._difference is not None and not fresh:
            hidden = self.model.hidden(codes, self.condition, self.stage, time)
            return hidden, hidden + self._difference
        if codes.is_cuda:
            both = self.model.hidden(codes.repeat(2, 1, 1), self._both, self.stage, time.repeat(2))
            hidden, null = both.chunk(2)
        else:
            hidden, null = (self.model.hidden(codes, one, self.stage, time) for one in self._conditions)
        self._difference = null - hidden
        return hidden, null

    @cached_property
    def _conditions(self) -> tuple[Condition, Condition]:
        return Condition(self.condition.tensors), self.condition.null()

    @cached_property
    def _both(self) -> Condition:
        return Condition.cat(self._conditions)

    def _guided(self, hidden: Tensor, null: Tensor, scale: float, places: Tensor) -> Tensor:
        """Vectors or logits [B, ..., T, C] after guidance and rescaling by those at `places` [B, ..., T]."""
        guidance, guided = self.stage.guidance, guide(hidden, null, scale)
        if not guidance.rescale:
            return guided
        return rescale(guided, hidden, guidance.rescale, places[..., None], guidance.spread_over)

    def _head(self, hidden: Tensor, cells: Tensor) -> Tensor:
        """[B, T, D] -> logits of `cells` [B, k, T], float32 [N, V]; frames without any of them are left out."""
        frames = cells.any(dim=1)
        logits = self.model.head(hidden[frames][None], self.stage)[0].float()  # [k, M, V]
        if cells.shape[1] == 1:
            return logits[0]
        item, level, frame = cells.nonzero(as_tuple=True)
        row = frames.flatten().cumsum(dim=0).view_as(frames) - 1
        return logits[level, row[item, frame]]


def _propose(
    flat: Tensor, cells: Tensor, places: Tensor, stage: Stage, index: int, noise: Noise, mask_token: int
) -> tuple[Tensor, Tensor]:
    """A token for each of `cells` (elsewhere the mask token) and its confidence (elsewhere 0), all [B, k, T].

    Their logits are `flat` [N, V]. All `places` get random numbers, so that those of a step do not depend on the last.
    """
    sampling, scoring = stage.sampling, stage.confidence
    temperature = sampling.temperature_at(index, stage.steps)
    allowed = allowed_tokens(flat, temperature, sampling)
    gumbel = gumbel_at(index, stage.steps, flat, places, sampling, noise, cells[places])
    drawn = draw((flat / temperature).masked_fill(~allowed, NEVER), gumbel)

    scored = flat / temperature if scoring.tempered else flat
    scored = scored.masked_fill(~allowed, NEVER) if scoring.filtered else scored
    sure = ranks.log_probability(scored, drawn)
    tokens = torch.full(cells.shape, mask_token, dtype=torch.int64, device=cells.device)
    confidence = torch.zeros(cells.shape, device=cells.device)
    tokens[cells] = drawn
    confidence[cells] = sure.exp() if scoring.kind == "probability" else sure
    return tokens, confidence


def _rank(
    confidence: Tensor, cells: Tensor, masked: Tensor, units: Tensor, stage: Stage, index: int, noise: Noise
) -> Tensor:
    """Confidence of `masked` units [B, k, U] with its noise, which all `units` get; -inf elsewhere."""
    scoring = stage.confidence
    ranking = ranks.of_units(confidence, cells, stage.unit, scoring.over_span).masked_fill(~masked, NEVER)
    if scoring.temperature != 0:
        ranking[units] += value_at(scoring.temperature, index, stage.steps) * noise.gumbel(units)
    return ranking


def _masked_next(ranking: Tensor, masked: Tensor, valid: Tensor, counts: Tensor, stage: Stage) -> Tensor:
    """Which units, [B, k, U], the next pass has to generate: about `counts` [B] of them where spans overlap."""
    if stage.arrangement == "stride1":
        return ranks.least_confident_spans(ranking, masked, valid.expand_as(masked), counts, stage.span)
    return ranks.least_confident(ranking, masked, counts)


def _counts(stage: Stage, index: int, total: Tensor, masked: Tensor) -> Tensor:
    """How many units of each item stay masked after this pass, [B]; the schedule is a share of `total` [B]."""
    counts = masked_counts(stage.schedule, index, stage.steps, total)
    if index < stage.steps - 1 and stage.fix_each_step:
        counts = torch.minimum(counts, masked.flatten(1).sum(dim=1) - 1)
    if index < stage.steps - 1 and stage.keep_one_masked:
        counts = counts.clamp(min=1)
    return counts


def _check_valid(valid: Tensor, codes: Tensor) -> None:
    if valid.shape != codes[:, 0].shape:
        raise InputError(
            f"decode: expected a condition for {codes.shape[0]} items of {codes.shape[2]} frames, as the codes have, "
            f"got one for {list(valid.shape)}. Build it for prompt and target together."
        )


def _check(model: MaskedModel, codes: Tensor, mask: Tensor, plan: Plan, evidence: Tensor | None) -> None:
    if codes.ndim != 3 or codes.dtype != torch.int64:
        raise InputError(f"decode: expected codes [B, K, T] int64, got {list(codes.shape)} {codes.dtype}.")
    if mask.shape != codes.shape or mask.dtype != torch.bool:
        raise InputError(
            f"decode: expected a bool mask of the codes' shape {list(codes.shape)}, got {list(mask.shape)} "
            f"{mask.dtype}. True marks the cells to generate."
        )
    known = codes[~mask]
    if known.numel() and not 0 <= int(known.min()) <= int(known.max()) <= model.mask_token:
        raise InputError(
            f"decode: expected codes in 0..{model.mask_token} (the mask token), got {int(known.min())}.."
            f"{int(known.max())}. Encode with the tokenizer this model was trained with."
        )
    if evidence is not None and evidence.shape != (*codes.shape, model.mask_token):
        raise InputError(
            f"decode: expected evidence {[*codes.shape, model.mask_token]} for the tokens of every cell, got "
            f"{list(evidence.shape)}. Give zeros where nothing is known."
        )
    planned = {level for stage in plan for level in stage.levels}
    if planned and max(planned) >= codes.shape[1]:
        raise InputError(f"decode: the plan generates level {max(planned)}, the codes have {codes.shape[1]} levels.")
    wanted = set(mask.any(dim=2).any(dim=0).nonzero()[:, 0].tolist())
    if not wanted <= planned:
        raise InputError(
            f"decode: expected a stage for each level with cells to generate, got none for {sorted(wanted - planned)}. "
            "Add stages to the plan, or leave these levels out of the mask."
        )
