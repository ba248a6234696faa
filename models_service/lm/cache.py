"""The key-value cache while decoding: room for every token to come, rows repeated and dropped."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """One layer's keys and values in buffers allocated once, each [rows, heads, time, width].

    The library's layer copies everything it holds for each new token; this one writes the token in
    place. `keys` and `values` are views of the filled part.
    """

    def __init__(self, filled: DynamicLayer, copies: int, room: int) -> None:
        super().__init__()
        self._buffers = [_with_room(t, copies, room) for t in (filled.keys, filled.values)]
        self.is_initialized = True
        self._view(len(self._buffers[0]), filled.get_seq_length())

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        rows, start = len(key_states), self.get_seq_length()
        end = start + key_states.shape[-2]
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:rows, :, start:end] = new
        self._view(rows, end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only these rows, moved to the front of the buffers."""
        length = self.get_seq_length()
        for buffer in self._buffers:
            buffer[: len(indices), :, :length] = buffer[indices, :, :length]
        self._view(len(indices), length)

    def _view(self, rows: int, length: int) -> None:
        self.keys, self.values = (buffer[:rows, :, :length] for buffer in self._buffers)


def expand(cache: DynamicCache, copies: int, room: int) -> None:
    """Repeat every row `copies` times, side by side, and make room for `room` more tokens."""
    for index, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[index] = RoomyLayer(layer, copies, room)
        else:  # sliding windows and other layouts look after themselves
            layer.batch_repeat_interleave(copies)


def _with_room(filled: Tensor, copies: int, room: int) -> Tensor:
    rows, heads, length, width = filled.shape
    buffer = torch.empty(
        (rows * copies, heads, length + room, width), dtype=filled.dtype, device=filled.device
    )
    buffer[:, :, :length] = filled.repeat_interleave(copies, dim=0)
    return buffer
