"""Structs, declared once: an annotated class is the memory layout, the view for Python and the type for checkers.

@struct turns the class into a ctypes.Structure; numba_types.py gives the same layout to the compiler.  Every integer field reads as a
wide signed integer in both worlds, so narrow widths are for layouts that a device or a file dictates; there is no u64, because
u64 + i64 would be a float.  A field that does not begin as zero says so where it is declared (`head: i64 = NO_SKB`), and
init_struct() and reset_struct() (memory.py) obey: no list of fields, so none is forgotten.  Nothing here knows packets."""
import ctypes
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, NamedTuple, TypeAlias, TypeVar, get_args, get_origin

from .pages import pages

i8: TypeAlias = Annotated[int, ctypes.c_int8]
u8: TypeAlias = Annotated[int, ctypes.c_uint8]
i16: TypeAlias = Annotated[int, ctypes.c_int16]
u16: TypeAlias = Annotated[int, ctypes.c_uint16]
i32: TypeAlias = Annotated[int, ctypes.c_int32]
u32: TypeAlias = Annotated[int, ctypes.c_uint32]
i64: TypeAlias = Annotated[int, ctypes.c_int64]
net16: TypeAlias = Annotated[int, ctypes.c_uint16.__ctype_be__]      # of a header: in network order there, wide here
net32: TypeAlias = Annotated[int, ctypes.c_uint32.__ctype_be__]
u4: TypeAlias = Annotated[int, ctypes.c_uint8, 4]                   # of a header: half a byte, the low half first
S = TypeVar("S")
T = TypeVar("T")

STRUCTS: list[Any] = []         # every struct of the state, in order of declaration
HEADERS: list[Any] = []         # every struct that is laid over packet memory
CACHELINE = 128                 # two lines: the adjacent-line prefetcher shares pairs


class Array(Generic[T]):
    """What the type checker sees of a field that was given array() or table()."""

    def __getitem__(self, i: int) -> T: raise NotImplementedError
    def __setitem__(self, i: int, value: T) -> None: raise NotImplementedError
    def __len__(self) -> int: raise NotImplementedError


class Store(NamedTuple):
    """A field that does not begin as zero: n elements of `size` bytes from `offset` on, each a number or itself a struct."""
    offset: int
    size: int
    n: int
    value: Any                  # an int, or the stores of the struct


class _Dims:
    def __init__(self, shape: tuple[int, ...], align: int, init: int = 0, taken_later: bool = False) -> None:
        self.shape, self.align, self.init, self.taken_later = shape, align, init, taken_later


def array(*shape: int, init: int = 0) -> Any:
    """A field of that many elements, which begin as `init`."""
    return _Dims(shape, 1, init)


def table(*shape: int, init: int = 0, taken_later: bool = False) -> Any:
    """An array (or, without a shape, one struct) that shares no cache line with its neighbours.  taken_later: its structs get their
    initial values one by one, from whoever takes one (reset_struct); until then they cost nothing."""
    return _Dims(shape, CACHELINE, init, taken_later)


def _ctype(hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        return get_args(hint)[1]
    if get_origin(hint) is Array:
        return _ctype(get_args(hint)[0])
    if isinstance(hint, type) and issubclass(hint, ctypes.Structure):
        return hint
    raise TypeError(f"{hint!r} is not i8..i64, u8..u32, a struct, or an Array of one")


@functools.cache
def _c_array(base: Any) -> Any:
    """An array whose -1 is no element: a NULL link must not read as the last one."""
    get, put = base.__getitem__, base.__setitem__

    def __getitem__(self: Any, i: int) -> Any:
        if i < 0:
            raise IndexError(i)
        return get(self, i)

    def __setitem__(self: Any, i: int, value: Any) -> None:
        if i < 0:
            raise IndexError(i)
        put(self, i, value)
    return type(base.__name__, (base,), {"__getitem__": __getitem__, "__setitem__": __setitem__, "__slots__": ()})


def struct(align: int = 1) -> Callable[[type[T]], type[T]]:
    """Class decorator.  align=CACHELINE pads each element of an array of these to whole cache lines."""
    def make(cls: type[T]) -> type[T]:
        fields: list[tuple[str, Any]] = []
        stores: list[Store] = []
        end, widest = 0, align

        def pad(to: int) -> None:
            nonlocal end
            if end % to:
                fields.append((f"_pad{len(fields)}", ctypes.c_uint8 * (-end % to)))
                end += -end % to
        for name, hint in inspect.get_annotations(cls, eval_str=True).items():
            ct, dims = _ctype(hint), cls.__dict__.get(name, 0)
            if isinstance(dims, int):
                dims = _Dims((), 1, dims)
            if dims.shape and issubclass(ct, ctypes._SimpleCData) and ct is not ctypes.c_int64:
                raise TypeError(f"{cls.__name__}.{name}: an array of numbers holds i64")   # else u8 * u8 + i64 is a float
            here = max(ctypes.alignment(ct), dims.align, getattr(ct, "align", 1))
            element = ct
            for n in reversed(dims.shape):
                ct = _c_array(ct * n)
            pad(here)
            fields.append((name, ct))
            begins_as = dims.init or getattr(element, "stores", ())
            if begins_as and not dims.taken_later:
                stores.append(Store(end, ctypes.sizeof(element), math.prod(dims.shape), begins_as))
            end, widest = end + ctypes.sizeof(ct), max(widest, here)
        pad(widest)
        body = {"_fields_": fields, "__slots__": (), "__doc__": cls.__doc__, "__module__": cls.__module__, "align": widest,
                "stores": tuple(stores)}
        made: Any = type(cls.__name__, (ctypes.Structure,), body)     # no __dict__: a misspelt store raises
        STRUCTS.append(made)
        return made                                                   # type: ignore[no-any-return]
    return make


class Overlay(Generic[S, T]):
    """The same bytes under another owner's names: called with a struct, it gives the view of one of its fields."""

    def __init__(self, owner: type[S], field: str, view: type[T]) -> None:
        place: Any = getattr(owner, field)
        if ctypes.sizeof(view) > place.size:                          # type: ignore[arg-type]
            raise TypeError(f"{view.__name__} has {ctypes.sizeof(view)} bytes, {owner.__name__}.{field} {place.size}")    # type: ignore[arg-type]
        self.owner, self.offset, self.view = owner, place.offset, view

    def __call__(self, struct: S) -> T:
        return self.view.from_address(ctypes.addressof(struct) + self.offset)       # type: ignore[arg-type,attr-defined,no-any-return]


def header(cls: type[T]) -> type[T]:
    """Class decorator: what lies in packet memory, field behind field, at any address.  struct_at() lays it over bytes."""
    hints: dict[str, Any] = inspect.get_annotations(cls, eval_str=True)
    fields = [(n, *get_args(h)[1:]) if get_origin(h) is Annotated else (n, h) for n, h in hints.items()]
    body = {"_pack_": 1, "_layout_": "ms", "_fields_": fields, "__slots__": (), "__doc__": cls.__doc__, "__module__": cls.__module__,
            "stores": ()}
    made: Any = type(cls.__name__, (ctypes.Structure,), body)
    HEADERS.append(made)
    return made                                                       # type: ignore[no-any-return]


def numbers(row: Any) -> list[int]:
    """What an array of i64 holds, at once: a table is read many times faster than element by element."""
    return list(memoryview(bytes(row)).cast("q"))


def write_numbers(row: Any, values: Sequence[int]) -> None:
    """As many of an array of i64, from its first on."""
    if len(values) > len(row):
        raise IndexError(f"{len(values)} of {len(row)}")
    ctypes.memmove(row, (ctypes.c_int64 * len(values))(*values), 8 * len(values))


def offsetof(cls: Any, field: str) -> int:
    """Where a field begins, for what reads several at once."""
    return getattr(cls, field).offset                                 # type: ignore[no-any-return]


def new(cls: type[T], memory: Any = None) -> T:
    """A zeroed struct on its own pages: generous tables cost nothing until they are touched.  memory: pages(), to be given back."""
    return cls.from_buffer(memory or pages(ctypes.sizeof(cls)))       # type: ignore[arg-type,attr-defined,no-any-return]


def fields_of(view: Any) -> list[str]:
    """Names of the fields of a struct or its type, without padding."""
    return [n for n, *_ in view._fields_ if not n.startswith("_pad")]
