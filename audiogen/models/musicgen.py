"""MusicGen: MAGNeT's autoregressive twin, frame after frame, every level one step behind the coarser one.

Paper: Copet et al. 2023, arXiv:2306.05284. "Codebook interleaving patterns" -> the delay pattern, in which the code of
level k at frame t stands at step 1 + t + k of a sequence of T + K steps; all other cells hold the special token V.
Behaviour and parameter names are those of the official checkpoints (golden magnet SPEC 3 and 10). The network is
`audiogen.models.conditioned`; this file adds that a step sees only those before it.
Shapes: B batch, K levels, T frames, S steps of a sequence, s steps of a part of it, V vocab_size, L text positions.

The reference's teacher forcing feeds only the first T + 1 steps, and so predicts no code of level k in the last k
frames; ours feeds all of them. Where both predict they say the same, since a step sees none after it: the reference's
cells are `DelayPattern(K).within(T, T + 1)`.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.decoding.condition import Condition
from audiogen.decoding.delay import DelayPattern
from audiogen.errors import InputError
from audiogen.models.conditioned import ConditionedConfig, ConditionedTransformer
from audiogen.nn.attention import Attend, attend, hide
from audiogen.nn.conditioned import Cache, frame_positions
from audiogen.nn.graphs import Graphed


@dataclass(frozen=True, kw_only=True)
class MusicGenConfig(ConditionedConfig):
    """Defaults: facebook/musicgen-small."""


class MusicGen(ConditionedTransformer):
    """Codes -> logits of each code given those before it."""

    @property
    def pattern(self) -> DelayPattern:
        return DelayPattern(self.config.levels)

    def logits(self, codes: Tensor, condition: Condition) -> Tensor:
        """Of every code, given the codes at earlier steps of the delay pattern; for training and rescoring.

        Args:
            codes: [B, K, T] int64; V where a code is not known.
            condition: from `condition()`.
        Returns:
            [B, K, T, V] logits.
        Raises:
            InputError: a grid or condition that does not fit the model.
        """
        sequence = self.pattern.delayed(codes, self.mask_token)
        return self.pattern.predictions(self.sequence_logits(sequence, condition), codes.shape[2])

    def sequence_logits(self, sequence: Tensor, condition: Condition) -> Tensor:
        """Of the codes that follow each step of a delayed sequence: [B, K, S] -> [B, K, S, V]."""
        self.check_codes(sequence, condition)
        steps = torch.arange(sequence.shape[2], device=sequence.device)
        hidden = self.embed(sequence, frame_positions(len(steps), self.config.dim, sequence.device))
        condition = self.ready(condition)
        sight = self.sight(steps, len(steps))
        hidden = self.contextual(hidden, condition["memory"], condition.tensors.get("memory_bias"), sight)
        return self.scores(hidden, range(self.config.levels))

    def sight(self, places: Tensor, count: int) -> Attend:
        """Attention in which the steps at `places` [s] see themselves and those before, among the first `count`."""
        steps = torch.arange(count, device=places.device)
        return partial(attend, bias=hide(steps <= places[:, None], self.dtype))

    def start(self, condition: Condition, batch: int) -> "MusicGenStream":
        """A stream of `batch` items that has seen nothing yet; one item's condition serves any number.

        Raises:
            InputError: a condition for several items, but not for `batch`.
        """
        given = len(condition["memory"])
        if given not in (1, batch):
            raise InputError(
                f"MusicGen: expected a condition for {batch} items, got one for {given}. Build it for the whole batch."
            )
        tensors = {name: tensor.expand(batch, *tensor.shape[1:]) for name, tensor in condition.tensors.items()}
        return MusicGenStream(self, self.ready(Condition(tensors)))


ROOM, SEEN = 512, 64
"""Steps that a stream has room for at first, which suffices for 10 seconds; a CPU looks at multiples of the second."""


class MusicGenStream:
    """A sequence in the making: it holds the keys and values of the steps so far, the model keeps nothing.

    On a GPU every single step is the same work on the same memory, all of the room, so that it can be replayed.
    """

    def __init__(self, model: MusicGen, condition: Condition):
        self.length = 0
        """Steps so far."""
        self._model = model
        self._memory, self._memory_bias = condition["memory"], condition.tensors.get("memory_bias")
        batch, width = len(self._memory), 2 * model.config.dim
        self._rooms = self._memory.new_zeros(model.config.layers, batch, 0, width)
        self._make_room(ROOM)

    def _make_room(self, size: int) -> None:
        """For the keys and values of `size` steps; those that are there are kept."""
        self._rooms = F.pad(self._rooms, (0, 0, 0, size - self._rooms.shape[2]))
        self._positions = frame_positions(size, self._model.config.dim, self._rooms.device)
        self._single = Graphed(partial(self._read, seen=size))

    @torch.no_grad()
    def __call__(self, sequence: Tensor) -> Tensor:
        """The next steps of the delayed sequence [B, K, s] -> logits of the codes that follow each, [B, K, s, V].

        Raises:
            InputError: codes of other levels, or of another batch than the stream was started for.
        """
        self._model.check_codes(sequence, Condition({"memory": self._memory}))
        end = self.length + sequence.shape[2]
        if end > self._rooms.shape[2]:
            self._make_room(2 * end)
        places = torch.arange(self.length, end, device=sequence.device)
        if sequence.is_cuda and len(places) == 1:
            logits = self._single(sequence, places)
        else:
            logits = self._read(sequence, places, seen=min(end + -end % SEEN, self._rooms.shape[2]))
        self.length = end
        return logits

    def _read(self, sequence: Tensor, places: Tensor, seen: int) -> Tensor:
        """Steps [B, K, s] that belong at `places` [s], which look at the first `seen` steps of the room."""
        model = self._model
        caches = [Cache(room, places, seen) for room in self._rooms]
        hidden = model.embed(sequence, self._positions[places])
        sight = model.sight(places, seen)
        hidden = model.contextual(hidden, self._memory, self._memory_bias, sight, caches)
        return model.scores(hidden, range(model.config.levels))
