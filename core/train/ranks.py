"""Several processes that train one network: what `torchrun` starts, PyTorch's distributed data parallel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes for the time being, if `torchrun` started this one; else do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 measures, writes and reports."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def parallel(module: nn.Module) -> nn.Module:
    """`module` so that its gradients are the mean over all processes; itself if there is but one."""
    return DistributedDataParallel(module) if distributed.is_initialized() else module


def mean(value: Tensor) -> Tensor:
    """The mean of `value` over all processes."""
    if distributed.is_initialized():
        distributed.all_reduce(value)
        value /= world()
    return value
