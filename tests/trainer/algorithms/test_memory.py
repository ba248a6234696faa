"""Freed memory that stays with the process."""

from __future__ import annotations

import resource

import pytest
import torch

from trainer.algorithms import memory

MEGABYTES_64 = 64 * 2**20 // 4
PAGE = resource.getpagesize()


def faults_of_ten_tensors(size: int = MEGABYTES_64) -> int:
    """Pages the kernel had to bring, in units of one tensor's pages."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(size)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    return (after - before) * PAGE // (size * 4)


@pytest.mark.skipif(not memory.adjustable(), reason="only glibc's allocator can be told")
def test_inside_memory_is_used_again_and_outside_it_is_given_back() -> None:
    with memory.kept():
        inside = faults_of_ten_tensors()
    assert inside <= 2
    assert faults_of_ten_tensors() >= 5


@pytest.mark.skipif(not memory.adjustable(), reason="only glibc's allocator can be told")
def test_afterwards_blocks_of_usual_size_are_used_again_as_the_library_learns_to() -> None:
    with memory.kept():
        pass
    assert faults_of_ten_tensors(MEGABYTES_64 // 8) <= 3
