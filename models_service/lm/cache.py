"""The cache while decoding: room for every token to come, rows repeated and dropped.

Only keys and values can be treated so. What recurrent and convolutional layers keep is a state that
has read every column, padding too: where there is any of it, rows are neither padded nor dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


class RoomyLayer(DynamicLayer):
    """One layer's keys and values in buffers allocated once, each [rows, heads, time, width].

    The library's layer copies everything it holds for each new token; this one writes the token in
    place. `keys` and `values` are views of the filled part.
    """

    def __init__(
        self, rows: Sequence[Sequence[int]], filled: Sequence[DynamicLayer], copies: int, room: int
    ) -> None:
        super().__init__()
        # Keys and values are treated alike from here on, but they may differ in width (DeepSeek's
        # latent attention), so that they cannot share a buffer.
        kinds = [layer.keys for layer in filled], [layer.values for layer in filled]
        self._buffers = [_joined(rows, tensors, copies, room) for tensors in kinds]
        # Of a layer that is not, the library says that its length is 0.
        self.is_initialized = True
        self._view(len(self._buffers[0]), max(layer.get_seq_length() for layer in filled))

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        rows, start = len(key_states), self.get_seq_length()
        end = start + key_states.shape[-2]
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            # `join` has allocated room for all tokens that can come. A single token beyond it would
            # be lost without a word: one column broadcasts to none.
            buffer[:rows, :, start:end] = new
        self._view(rows, end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only these rows, moved to the front of the buffers."""
        length = self.get_seq_length()
        for buffer in self._buffers:
            # Only the filled columns are moved. The right side is a copy (indexing by a tensor), so
            # that rows may move onto each other's places.
            buffer[: len(indices), :, :length] = buffer[indices, :, :length]
        self._view(len(indices), length)

    def _view(self, rows: int, length: int) -> None:
        # Views, for attention reads these two attributes and must not see the empty columns.
        self.keys, self.values = (buffer[:rows, :, :length] for buffer in self._buffers)


def holds_keys_alone(cache: DynamicCache) -> bool:
    """Whether rows of a cache like this one can be padded on the left, repeated and dropped."""
    # By exact type: what a class that descends from these keeps beside keys (a state, a quantised
    # copy) would not be repeated with the rows.
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers)


def is_joinable(cache: DynamicCache) -> bool:
    """Whether `join` can take several caches like this one; sliding windows and other layouts look
    after themselves."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def join(
    rows: Sequence[Sequence[int]], caches: Sequence[DynamicCache], copies: int, room: int
) -> DynamicCache:
    """One cache of several, each of which holds the rows with those numbers, ending in its last
    column: every row `copies` times, side by side, and room for `room` more tokens. The given
    caches are used up."""
    first = caches[0]
    for index, layer in enumerate(first.layers):
        # A sliding window drops its oldest tokens by itself and has its own idea of its length: it
        # is repeated by the library and grows as the library has it.
        if type(layer) is DynamicLayer:
            first.layers[index] = RoomyLayer(rows, [c.layers[index] for c in caches], copies, room)
            for other in caches[1:]:
                # Lets go of the part's own keys: with them the whole prompt's cache would be in
                # memory twice until the last layer is joined.
                other.layers[index] = first.layers[index]
        else:
            layer.batch_repeat_interleave(copies)
    return first


def _joined(
    rows: Sequence[Sequence[int]], filled: Sequence[Tensor], copies: int, room: int
) -> Tensor:
    """A buffer with the parts' rows, each copied; what stands before a shorter row is zero, for
    nobody attends to it, but it must be a number."""
    count, width = sum(map(len, rows)), max(part.shape[2] for part in filled)
    _, heads, _, size = filled[0].shape
    # Not zeros: clearing the room for the tokens to come would be a pass over memory for numbers
    # that are overwritten before anybody reads them.
    buffer = filled[0].new_empty(count, copies, heads, width + room, size)
    for numbers, part in zip(rows, filled, strict=True):
        start = width - part.shape[2]
        place = torch.tensor(numbers, device=part.device)
        # What new_empty leaves here may be NaN, and a softmax weight of 0 times NaN is NaN.
        buffer[place, :, :, :start] = 0
        # Broadcast over the copies: the prompt was read once, and its keys are written k times.
        buffer[place, :, :, start:width] = part.unsqueeze(1)
    return buffer.flatten(0, 1)
