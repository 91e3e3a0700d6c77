"""Weights to start from that know the codec and which frames are near: training begins where copying is easy already.

To a fresh network a code is one of V names without meaning. To repeat what stands beside a hidden cell, which in music
is often right, it would have to learn, code by code, which vector goes with which class. Here a code's vector and its
class start from its row in the codec's codebook, by way of one projection for both, and attention starts by preferring
near frames. Ours: nothing else about a model changes, and what a user loads is as it was.
Shapes: K levels, V vocab_size, E codebook_dim, D width, H heads, F rows of a grid.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from audiogen.errors import InputError
from audiogen.models.conditioned import ConditionedTransformer
from audiogen.models.specmaskgit import STD, SpecMaskGIT
from audiogen.models.specmaskgit import Block as GridBlock
from audiogen.models.vampnet import Block, VampNet
from audiogen.nn.conditioned import SelfAttention, frame_positions
from audiogen.nn.quantize import WeightNormConv1d
from audiogen.nn.relative import BUCKETS, MAX_DISTANCE, RelativeBias, buckets

RANDOM_SHARE = 0.3
"""What is left of the random weights of attention."""
NEARNESS = 2.5
"""Of queries and keys to the sinusoids of their positions."""
SAMENESS = 0.6
"""Of queries and keys to the directions of a row."""
OFFSETS = (-2, 2, -5, 5)
"""Frames from a position to the one that a head looks at."""
COLUMN_OFFSETS = (-1, 1, -2, 2)
"""The same of a grid of spectrogram patches, whose columns are 186 ms long."""
COPIED = 0.3
"""Share of the values that every layer adds."""
FRAMES = 500
"""Of the sinusoids of positions, whose directions in a model's vectors codes leave alone."""


def start_from(network: nn.Module, found: nn.Module, name: str) -> None:
    """Give a network the weights of another, `found` in the system `name`, so that training goes on from there.

    Raises:
        InputError: they have other sizes.
    """
    try:
        network.load_state_dict(found.state_dict())
    except RuntimeError as error:
        difference = str(error).splitlines()[1].strip()
        raise InputError(
            f"{name}: expected a model of the conf's sizes to start from, got another: {difference} Change the sizes."
        ) from error


@torch.no_grad()
def start_vampnet(network: VampNet, codebooks: Tensor) -> None:
    """Give a fresh VampNet weights that know the codec's codebooks [K, V, E], and the codebooks."""
    network.use_codebooks(codebooks)
    config = network.config
    projection = projection_of(codebooks, nn.init.orthogonal_(torch.empty(config.dim, config.dim)))
    embedding, classifier = network.embedding, cast(WeightNormConv1d, network.classifier.layers[0])
    whole = (projection / spread_of(codebooks)).permute(1, 0, 2).flatten(1)  # [D, K * E]
    embedding.out_proj.weight.copy_(whole[..., None] * loudness_of(codebooks, config.dim))
    cast(Tensor, embedding.out_proj.bias).zero_()
    embedding.special["MASK"].zero_()
    rows = class_rows(codebooks, projection)[list(config.predicted)]
    classifier.weight_v.copy_(rows.transpose(0, 1).flatten(0, 1)[..., None])
    classifier.weight_g.copy_(classifier.weight_v.norm(dim=(1, 2), keepdim=True))
    classifier.bias.zero_()
    blocks = [cast(Block, block) for block in network.transformer.layers]
    prefer_near(blocks[0].self_attn.relative_attention_bias)
    for block in blocks:
        pass_on(block.self_attn.w_vs.weight, block.self_attn.fc.weight)


@torch.no_grad()
def start_conditioned(network: ConditionedTransformer, codebooks: Tensor) -> None:
    """Give a fresh MAGNeT, or its twin, weights that know the codec's codebooks [K, V, E]."""
    config = network.config
    positions = frame_positions(FRAMES, config.dim, codebooks.device)
    directions = torch.linalg.eigh(positions.T @ positions)[1]  # those that positions use least come first
    projection = projection_of(codebooks, directions)
    classes = class_rows(codebooks, projection)
    loudness = math.sqrt(codebooks.shape[2]) * loudness_of(codebooks, config.dim)
    free = directions.T[codebooks.shape[0] * codebooks.shape[2] :]
    for level, (table, head) in enumerate(zip(network.emb, network.linears, strict=True)):
        hidden = loudness * free[level] if level < len(free) else torch.zeros(config.dim)
        cast(Tensor, table.weight).copy_(torch.cat((loudness * classes[level], hidden[None])))
        cast(Tensor, head.weight).copy_(classes[level])
    for block in network.blocks:
        copy_near(block.self_attn, free[config.levels :])


@torch.no_grad()
def start_specmaskgit(network: SpecMaskGIT, codebooks: Tensor) -> None:
    """Give a fresh SpecMaskGIT weights that know the codec's codebooks [F, V, E], which are one table F times.

    Attention prefers near columns of the same row, by the directions of positions and by those of rows.
    """
    config, table = network.config, codebooks[:1]
    positions = frame_positions(FRAMES, config.dim, codebooks.device)
    directions = torch.linalg.eigh(positions.T @ positions)[1]
    rows, directions = directions[:, : config.rows], directions[:, config.rows :]
    classes = class_rows(table, projection_of(table, directions))[0]
    loudness = STD * math.sqrt(table.shape[2]) * loudness_of(table, config.dim)
    free = directions.T[table.shape[2] :]
    direction = free[:1] if len(free) else torch.zeros(1, config.dim)
    hidden = STD * math.sqrt(config.dim) * direction  # as loud as a code, so that attention does not prefer holes
    network.tokens.weight.copy_(torch.cat((loudness * classes, hidden)))
    network.row_positions.weight.copy_(STD * math.sqrt(config.dim / 2) * rows.T)
    cast(nn.Linear, network.out).weight.copy_(classes)
    for block in network.blocks:
        copy_near(cast(GridBlock, block).self_attn, free[1:], COLUMN_OFFSETS, rows)


def copy_near(
    attention: SelfAttention, positional: Tensor, offsets: Sequence[int] = OFFSETS, same: Tensor | None = None
) -> None:
    """Attention that starts by repeating what near frames have, after Trockman and Kolter 2023, arXiv:2305.09828.

    Queries and keys look at the positions' sinusoids, each head at some of all wavelengths, which are alike where
    frames are near. A hidden frame learns nothing from itself, so that queries are those of the frames beside it, in
    every other head of those before it; both see the `positional` directions [n, D] only. Where there are directions
    [D, F] of which two positions have the `same`, they are the more alike. Some of what was drawn at random stays.
    """
    dim, heads = attention.dim, attention.heads
    waves = torch.arange(dim).view(2, -1, heads).permute(2, 0, 1).flatten()  # each head's cosines, then its sines
    queries, keys, values = attention.in_proj_weight.chunk(3)
    beside = torch.tensor([offsets[head % len(offsets)] for head in range(heads)]).repeat_interleave(dim // heads)
    for weight, frames in ((queries, beside), (keys, torch.zeros_like(beside))):
        weight.mul_(RANDOM_SHARE).add_(NEARNESS * turned(waves, frames) @ positional.T @ positional)
    if same is not None:
        marks = nn.init.orthogonal_(torch.empty(dim // heads, same.shape[1])).repeat(heads, 1)
        for weight in (queries, keys):
            weight.add_(SAMENESS * marks @ same.T)
    pass_on(values, attention.out_proj.weight)


def turned(waves: Tensor, frames: Tensor) -> Tensor:
    """[D, D] that makes of a position's sinusoids the numbers `waves` [D] of the position `frames` [D] later."""
    dim, half, rows = len(waves), len(waves) // 2, torch.arange(len(waves))
    later = frame_positions(int(frames.abs().max()) + 1, dim, waves.device)[frames.abs()]
    cosine, sine = later[rows, waves % half], later[rows, waves % half + half] * frames.sign()
    matrix = torch.zeros(dim, dim)
    matrix[rows, waves] = cosine
    matrix[rows, (waves + half) % dim] = torch.where(waves < half, -sine, sine)
    return matrix


def pass_on(values: Tensor, out: Tensor) -> None:
    """Let the values [D, D] of attention go through as they are, and a share of them be added by `out` [D, D]."""
    for weight, share in ((values, 1.0), (out, COPIED)):
        weight.mul_(RANDOM_SHARE).add_(share * torch.eye(len(weight)))


def spread_of(codebooks: Tensor) -> Tensor:
    """Standard deviation of the numbers of each level [K, 1, 1]: residual levels are smaller and smaller."""
    return codebooks.std(dim=(1, 2), keepdim=True)


def projection_of(codebooks: Tensor, directions: Tensor) -> Tensor:
    """Where a model has what a codebook row says, [K, D, E]: orthogonal as far as there are enough `directions`.

    These are columns [D, n], the freest first; a random rotation gives all levels an equal share.
    """
    levels, _, width = codebooks.shape
    count = levels * width
    rotation = nn.init.orthogonal_(torch.empty(min(count, directions.shape[1]), count))
    return (directions[:, : len(rotation)] @ rotation).view(-1, levels, width).transpose(0, 1).to(codebooks)


def loudness_of(codebooks: Tensor, dim: int) -> float:
    """Scale of rows of spread 1, so that the vectors of all levels together have numbers of about 1."""
    levels, _, width = codebooks.shape
    return math.sqrt(dim / (levels * width))


def class_rows(codebooks: Tensor, projection: Tensor) -> Tensor:
    """Rows of a classifier [K, V, D] whose logits say how much of a codebook row there is in a vector."""
    width = codebooks.shape[2]
    return torch.einsum("kve,kde->kvd", codebooks / spread_of(codebooks), projection) / math.sqrt(width)


def prefer_near(bias: RelativeBias) -> None:
    """Scores that fall in a straight line with the distance, steeply in the first head, hardly in the last.

    As ALiBi has it (Press et al. 2022, arXiv:2108.12409), but steeper, and only to start from.
    """
    distance = torch.arange(-MAX_DISTANCE, MAX_DISTANCE + 1)
    bucket = buckets(distance)
    mean = torch.stack([distance[bucket == index].abs().float().mean() for index in range(BUCKETS)]).nan_to_num()
    heads = bias.weight.shape[1]
    slopes = 2.0 ** (1 - 8 * torch.arange(heads) / heads)
    bias.weight.copy_(-mean[:, None] * slopes)
