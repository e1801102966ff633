"""Values as bytes, for the way from one process to another.

Not by PyTorch's own way, shared memory: a container has 64 MB of it unless told otherwise, beyond which the process is
killed, and what a killed worker had put there would stay. A copy through a pipe takes about a millisecond a megabyte.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

_BY_NUMPY = {torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8}
_BY_NUMPY |= {torch.uint8, torch.bool}


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """A tensor goes as its values: its own way of pickling takes ten times as long for a small one."""
        if type(value) is Tensor and value.dtype in _BY_NUMPY and value.device.type == "cpu" and not value.is_sparse:
            return _tensor, (value.detach().contiguous().numpy(),)
        return NotImplemented


def pack(value: object) -> bytes:
    """`value` as bytes; tensors of the CPU without their gradients and strides. TypeError if it cannot be sent."""
    file = io.BytesIO()
    try:
        _Pickler(file, protocol=5).dump(value)
    except (pickle.PicklingError, AttributeError) as error:
        raise TypeError(f"cannot be sent to another process: {error}") from None
    return file.getvalue()


def unpack(content: bytes) -> Any:
    """What was packed; only of bytes that another process of this server has made."""
    return pickle.loads(content)
