"""Raw memory and atomics: the plain twins.  intrinsics.py has the compiled ones under the same names.

Loads and stores are never bounds-checked in compiled code: a station checks lengths once at its door, then reads bare.  An address
belongs to a region that Python made known with region(), so that the plain twin can find the bytes."""
import bisect
import ctypes
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .structs import Store

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
PRIMITIVES: dict[str, Any] = {}


class Mem:
    """Bytes: packet memory or a caller's buffer.  Compiled: an address.  Plain: a memoryview."""

    @classmethod
    def from_param(cls, buf: Any) -> ctypes.c_void_p:
        """An address that this has made stays one: for memory that is used again and again, and kept by who uses it."""
        if isinstance(buf, ctypes.c_void_p):
            return buf
        return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(buf)))


def primitive(f: F) -> F:
    PRIMITIVES[f.__name__] = f
    return f


_starts: list[int] = []                         # of the known regions, sorted; the views beside them
_views: list[Any] = []


def region(buf: Any) -> int:
    """Make a writable buffer known to the path; returns its address, to be stored in the state.  Forget it with forget()."""
    a = ctypes.addressof(ctypes.c_char.from_buffer(buf))
    i = bisect.bisect_left(_starts, a)
    view = memoryview(buf).cast("B")
    if i < len(_starts) and _starts[i] == a:
        _views[i] = view
    else:
        _starts.insert(i, a)
        _views.insert(i, view)
    return a


def forget(addr: int) -> None:
    """The buffer at this address is no longer of the path."""
    i = bisect.bisect_left(_starts, addr)
    if i < len(_starts) and _starts[i] == addr:
        del _starts[i], _views[i]


@primitive
def mem_at(addr: int) -> Mem:
    i = bisect.bisect_right(_starts, addr) - 1
    off = addr - _starts[i]
    return _views[i][off:] if off else _views[i]    # type: ignore[no-any-return]


@primitive
def struct_at(cls: type[T], m: Mem, o: int) -> T:
    """The bytes from m[o:] as a header (structs.header): a view, what is written to it is written there."""
    return cls.from_buffer(m, o)                    # type: ignore[attr-defined,no-any-return]


def _wide(m: Any, o: int, n: int) -> Any:
    b = m[o:o + n]
    if o < 0 or len(b) != n:                        # a slice would shorten silently
        raise IndexError(f"bytes {o}..{o + n} of {len(m)}")
    return b


@primitive
def byte(m: Mem, o: int) -> int: return _wide(m, o, 1)[0]                                    # type: ignore[no-any-return]
@primitive
def be16(m: Mem, o: int) -> int: return int.from_bytes(_wide(m, o, 2), "big")
@primitive
def be32(m: Mem, o: int) -> int: return int.from_bytes(_wide(m, o, 4), "big")
@primitive
def le16(m: Mem, o: int) -> int: return int.from_bytes(_wide(m, o, 2), "little")
@primitive
def le32(m: Mem, o: int) -> int: return int.from_bytes(_wide(m, o, 4), "little")
@primitive
def le64(m: Mem, o: int) -> int: return int.from_bytes(_wide(m, o, 8), "little", signed=True)
@primitive
def be64(m: Mem, o: int) -> int: return int.from_bytes(_wide(m, o, 8), "big", signed=True)
@primitive
def put_byte(m: Mem, o: int, v: int) -> None: _wide(m, o, 1)[0] = v & 0xFF
@primitive
def put_be16(m: Mem, o: int, v: int) -> None: _wide(m, o, 2)[:] = (v & 0xFFFF).to_bytes(2, "big")
@primitive
def put_be32(m: Mem, o: int, v: int) -> None: _wide(m, o, 4)[:] = (v & 0xFFFFFFFF).to_bytes(4, "big")
@primitive
def put_le16(m: Mem, o: int, v: int) -> None: _wide(m, o, 2)[:] = (v & 0xFFFF).to_bytes(2, "little")
@primitive
def put_le32(m: Mem, o: int, v: int) -> None: _wide(m, o, 4)[:] = (v & 0xFFFFFFFF).to_bytes(4, "little")
@primitive
def put_le64(m: Mem, o: int, v: int) -> None: _wide(m, o, 8)[:] = (v & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")


@primitive
def memcpy(d: Mem, do: int, s: Mem, so: int, n: int) -> None:
    """n bytes from s[so:] to d[do:]; they must not overlap."""
    _wide(d, do, n)[:] = _wide(s, so, n)


@primitive
def memset(d: Mem, do: int, v: int, n: int) -> None:
    _wide(d, do, n)[:] = bytes([v & 0xFF]) * n


@primitive
def xchg(a: Any, i: int, v: int) -> int:
    old = a[i]
    a[i] = v
    return old                                      # type: ignore[no-any-return]


@primitive
def store_release(a: Any, i: int, v: int) -> None: a[i] = v
@primitive
def load_acquire(a: Any, i: int) -> int: return a[i]                                         # type: ignore[no-any-return]
@primitive
def le32_acquire(m: Mem, o: int) -> int: return le32(m, o)
@primitive
def put_le32_release(m: Mem, o: int, v: int) -> None: put_le32(m, o, v)


@primitive
def atomic_add(a: Any, i: int, v: int) -> int:
    old = a[i]
    a[i] = old + v
    return old                                      # type: ignore[no-any-return]


@primitive
def prefetch(record: Any) -> None:
    """The first cache line of this record will be wanted soon."""


@primitive
def init_struct(record: Any) -> None:
    """Memory of zeros becomes this struct: its fields get the initial values of their declarations (structs.py)."""
    cls: Any = type(record)
    at = ctypes.addressof(record)
    for offset, value in _begins_as(cls):
        ctypes.memmove(at + offset, value, len(value))


@primitive
def reset_struct(record: Any) -> None:
    """The same for a struct that has been used: every byte of it is as in a new one."""
    ctypes.memset(ctypes.addressof(record), 0, ctypes.sizeof(record))
    init_struct(record)


@functools.cache
def _begins_as(cls: Any) -> tuple[tuple[int, bytes], ...]:
    """Where a new struct of this type is not zero, and the bytes there."""
    def each(at: int, stores: tuple[Store, ...]) -> Iterator[tuple[int, bytes]]:
        for s in stores:
            if isinstance(s.value, int):
                yield at + s.offset, s.value.to_bytes(s.size, "little", signed=s.value < 0) * s.n
            else:
                for k in range(s.n):
                    yield from each(at + s.offset + k * s.size, s.value)
    return tuple(each(0, cls.stores))


@primitive
def fls64(v: int) -> int: return (v & 0xFFFFFFFFFFFFFFFF).bit_length()      # find last set: the highest bit's number from 1 on; 0: none


@primitive
def add64_with_carry(a: int, b: int) -> int:
    """Their sum as unsigned numbers of 64 bits, the carry added at the other end."""
    s = (a & 0xFFFFFFFFFFFFFFFF) + (b & 0xFFFFFFFFFFFFFFFF)
    s = (s & 0xFFFFFFFFFFFFFFFF) + (s >> 64)
    return s - (s >> 63 << 64)                       # i64


@primitive
def clock_ns(clock: int) -> int:
    """clock_gettime(2).  Only a driver of real time may ask: what is between abi/ and user/ is told what time it is."""
    return time.clock_gettime_ns(clock)


@primitive
def epoll_wait(epoll: int, events: Mem, most: int, ms: int) -> int:
    """epoll_wait(2), for a driver of real time.  How many events, or an errno below 0: a signal interrupts it (EINTR)."""
    libc = ctypes.CDLL(None, use_errno=True)
    n = libc.epoll_wait(epoll, (ctypes.c_char * len(events)).from_buffer(events), most, ms)      # type: ignore[arg-type]
    return int(n) if n >= 0 else -ctypes.get_errno()
