"""A second device where there is none: it computes on the CPU and refuses, as a GPU would, to mix with it.

`install()` gives this process a device "elsewhere", once and for good: do so in a process of its own, before the first
backward pass. Inside `elsewhere()` tensors can be made and brought there (`x.to(HERE)`); every operation they take
part in is done on the CPU, so its numbers are the CPU's to the last bit. It raises where CUDA would, since PyTorch's
kernels want all that they are given in one place. CUDA's exceptions hold too: numbers without dimensions may lie on the
CPU, so may indices, and `copy_` and `to` go from one place to the other. A generator must lie where its numbers go.

What PyTorch would refuse only for want of a kernel is not seen; data-dependent branches are taken, unlike with fake or
meta tensors, so loops run as they do on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "elsewhere"
MIXES = {"_to_copy", "copy_"}
"""Operations that go from one device to another."""
NEAR_ONLY = {"histogram", "histogramdd"}
"""Operations that no GPU has."""
INDEXES = {"index", "_unsafe_index", "index_put_", "index_put", "_index_put_impl_"}
"""Operations whose second argument, indices, may lie on the CPU."""


class Backend(backend_registration._DummyBackendModule):
    """What PyTorch asks of a device's module."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class Distant(Tensor):
    """A tensor that says it lies elsewhere; `near` holds its values, on the CPU."""

    near: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, near: Tensor) -> Distant:
        made: Distant = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            layout=near.layout,
            device=torch.device(NAME, 0),
        )
        made.near = near
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


_library = torch.library.Library("_", "IMPL")  # kept: with it goes what it registers
_Generator = torch.Generator
_distant_generators: dict[int, torch.Generator] = {}
"""By their addresses, which an operation sees; kept alive, so that no other gets the address."""


class Generator(_Generator):
    """torch.Generator, for either device."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        made: Generator = super().__new__(cls, "cpu")
        if torch.device(device).type == NAME:
            _distant_generators[made._cdata] = made  # type: ignore[attr-defined]
        return made


def check(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """RuntimeError where the arguments of the operation `name` lie in several places."""
    tensors = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    if name in MIXES or not any(isinstance(t, Distant) for t in tensors):
        return
    if name in NEAR_ONLY or (name == "linalg_lstsq" and kwargs.get("driver", "gels") != "gels"):
        raise NotImplementedError(f"Only the CPU can do {name} so.")
    free: set[int] = set()
    if name in INDEXES and isinstance(args[0], Distant):
        free = {id(t) for t in pytree.tree_leaves(args[1])}
    for t in tensors:
        if not isinstance(t, Distant) and t.dim() and id(t) not in free:
            raise RuntimeError(
                f"Expected all tensors to be on the same device: {name} got {tuple(t.shape)} on the CPU."
            )


def dispatch(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation `func`, done on the CPU; what it gives lies where PyTorch would put it."""
    name = func.overloadpacket.__name__
    check(name, args, kwargs)
    distant = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, Distant)]
    device = kwargs.get("device")
    there = bool(distant) if device is None else torch.device(device).type == NAME
    generator = kwargs.get("generator")
    if generator is not None and (generator._cdata in _distant_generators) != there:
        raise RuntimeError(f"Expected a generator on the device of the numbers: {name} got one from the other.")
    kwargs = kwargs if device is None else kwargs | {"device": torch.device("cpu")}
    near_args, near_kwargs = pytree.tree_map_only(Distant, lambda t: t.near, (args, kwargs))
    made = func(*near_args, **near_kwargs)
    known = {id(t.near): t for t in distant}  # an operation in place gives back what it was given

    def brought(t: Tensor) -> Tensor:
        return known[id(t)] if id(t) in known else Distant(t) if there else t

    return pytree.tree_map_only(Tensor, brought, made)


class Operations(TorchDispatchMode):
    """Operations that no tensor elsewhere takes part in, but make one: `torch.zeros(3, device=...)`, `x.to(...)`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


class Literals(TorchFunctionMode):
    """`torch.tensor(values, device=...)` and `x.new_tensor(values)`, which make a tensor before operations are seen."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor and isinstance(args[0], Distant):
            return args[0].near.new_tensor(*args[1:], **kwargs).to(args[0].device)
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


def install() -> torch.device:
    """Give this process the device; returns it."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, Backend())  # type: ignore[no-untyped-call]
    _library.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    torch.Generator = Generator  # type: ignore[misc]
    return torch.device(NAME, 0)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Tensors may be made on the device, and are watched."""
    with Literals(), Operations():
        yield
