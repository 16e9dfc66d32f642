"""The compiled twins of what memory.py and structs.py do in plain Python: each emits its few instructions of LLVM."""
import contextlib
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, errors
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .numba_types import Struct, numba_type

INTRINSICS: dict[str, Any] = {}
i64, ptr, void, any_ = types.int64, types.voidptr, types.void, None


def twin(result: Any, *params: Any) -> Any:
    """The decorated function emits the code: (context, builder, signature, values) -> value."""
    def deco(emit: Any) -> Any:
        n = ", ".join(f"a{i}" for i in range(len(params)))
        ns: dict[str, Any] = {"emit": emit, "make": lambda args: result(*[p or a for p, a in zip(params, args, strict=True)])}
        exec(f"def {emit.__name__}(tyctx, {n}): return make(({n},)), emit", ns)
        INTRINSICS[emit.__name__] = intrinsic(ns[emit.__name__])
        return emit
    return deco


def _load(name: str, bits: int, swap: bool) -> None:
    def emit(cx: Any, b: Any, sig: Any, a: Any) -> Any:
        v = b.load(b.bitcast(b.gep(a[0], [a[1]]), ir.IntType(bits).as_pointer()), align=1)
        v = b.bswap(v) if swap else v
        return v if bits == 64 else b.zext(v, ir.IntType(64))
    emit.__name__ = name
    twin(i64, ptr, i64)(emit)


def _store(name: str, bits: int, swap: bool) -> None:
    def emit(cx: Any, b: Any, sig: Any, a: Any) -> Any:
        v = a[2] if bits == 64 else b.trunc(a[2], ir.IntType(bits))
        v = b.bswap(v) if swap else v
        b.store(v, b.bitcast(b.gep(a[0], [a[1]]), ir.IntType(bits).as_pointer()), align=1)
        return cx.get_dummy_value()
    emit.__name__ = name
    twin(void, ptr, i64, i64)(emit)


for _n, _b, _s in (("byte", 8, False), ("be16", 16, True), ("be32", 32, True), ("be64", 64, True),
                   ("le16", 16, False), ("le32", 32, False), ("le64", 64, False)):
    _load(_n, _b, _s)
    _store(f"put_{_n}", _b, _s)


@twin(ptr, i64)
def mem_at(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.inttoptr(a[0], cgutils.voidptr_t)


@intrinsic
def struct_at(tyctx: Any, cls: Any, m: Any, o: Any) -> Any:
    def emit(cx: Any, b: Any, sig: Any, a: Any) -> Any:
        return b.bitcast(b.gep(a[1], [a[2]]), cx.get_value_type(sig.return_type))
    return cls.struct(cls, ptr, i64), emit


INTRINSICS["struct_at"] = struct_at


@twin(void, ptr, i64, ptr, i64, i64)
def memcpy(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    # memmove(): the core names no libc that it is linked with, so a dynamic linker gives it the oldest memcpy() that there is, which on
    # x86-64 moves 16 bytes at a time whatever the CPU can; of memmove() there is only one
    cgutils.raw_memmove(b, b.gep(a[0], [a[1]]), b.gep(a[2], [a[3]]), a[4], 1)
    return cx.get_dummy_value()


@twin(void, ptr, i64, i64, i64)
def memset(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    cgutils.memset(b, b.gep(a[0], [a[1]]), a[3], b.trunc(a[2], ir.IntType(8)))
    return cx.get_dummy_value()


def _stores(b: Any, at: Any, stores: Any) -> None:
    for s in stores:
        field = b.gep(at, [ir.Constant(ir.IntType(64), s.offset)])
        with cgutils.for_range(b, ir.Constant(ir.IntType(64), s.n)) if s.n > 1 else contextlib.nullcontext() as loop:
            one = b.gep(field, [b.mul(loop.index, ir.Constant(ir.IntType(64), s.size))]) if loop else field
            if isinstance(s.value, int):
                t = ir.IntType(8 * s.size)
                b.store(ir.Constant(t, s.value), b.bitcast(one, t.as_pointer()), align=s.size)
            else:
                _stores(b, one, s.value)


@twin(void, any_)
def init_struct(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    _stores(b, b.bitcast(a[0], cgutils.voidptr_t), sig.args[0].stores)
    return cx.get_dummy_value()


@twin(void, any_)
def reset_struct(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    cgutils.memset(b, b.bitcast(a[0], cgutils.voidptr_t), ir.Constant(ir.IntType(64), sig.args[0].size), 0)
    return init_struct(cx, b, sig, a)


@twin(i64, i64)
def fls64(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.sub(ir.Constant(ir.IntType(64), 64), b.ctlz(a[0], ir.Constant(ir.IntType(1), 0)))


@twin(i64, i64, i64)
def add64_with_carry(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    both = b.uadd_with_overflow(a[0], a[1])
    return b.add(b.extract_value(both, 0), b.zext(b.extract_value(both, 1), ir.IntType(64)))


@twin(void, any_)
def prefetch(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    i32 = ir.IntType(32)
    f = cgutils.get_or_insert_function(b.module, ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32]), "llvm.prefetch.p0")
    b.call(f, [b.bitcast(a[0], cgutils.voidptr_t), i32(1), i32(3), i32(1)])      # for writing, into L1, data
    return cx.get_dummy_value()


@twin(i64, i64)
def clock_ns(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    i32, wide_int = ir.IntType(32), ir.IntType(64)
    f = cgutils.get_or_insert_function(b.module, ir.FunctionType(i32, [i32, cgutils.voidptr_t]), "clock_gettime")
    at = cgutils.alloca_once(b, ir.ArrayType(wide_int, 2))                       # struct timespec
    b.call(f, [b.trunc(a[0], i32), b.bitcast(at, cgutils.voidptr_t)])
    seconds, ns = (b.load(cgutils.gep_inbounds(b, at, 0, k)) for k in range(2))
    return b.add(b.mul(seconds, wide_int(1_000_000_000)), ns)


def _libc(b: Any, name: str, result: Any, *params: Any) -> Any:
    return cgutils.get_or_insert_function(b.module, ir.FunctionType(result, params), name)


def _or_errno(b: Any, r: Any) -> Any:
    """What a system call has returned, as the kernel itself says it: an error is its number below 0.  `r`: of the C library."""
    wide_int = ir.IntType(64)
    errno = b.load(b.call(_libc(b, "__errno_location", ir.IntType(32).as_pointer()), []))
    r = b.sext(r, wide_int) if r.type != wide_int else r
    return b.select(b.icmp_signed("<", r, wide_int(0)), b.neg(b.sext(errno, wide_int)), r)


@twin(i64, i64, ptr, i64, i64)
def epoll_wait(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    i32 = ir.IntType(32)
    f = _libc(b, "epoll_wait", i32, i32, cgutils.voidptr_t, i32, i32)
    return _or_errno(b, b.call(f, [b.trunc(a[0], i32), a[1], b.trunc(a[2], i32), b.trunc(a[3], i32)]))


def _element(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.gep(make_array(sig.args[0])(cx, b, a[0]).data, [a[1]])


@twin(i64, any_, i64, i64)
def xchg(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.atomic_rmw("xchg", _element(cx, b, sig, a), a[2], "seq_cst")


@twin(i64, any_, i64)
def load_acquire(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.load_atomic(_element(cx, b, sig, a), "acquire", 8)


@twin(i64, any_, i64, i64)
def atomic_add(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.atomic_rmw("add", _element(cx, b, sig, a), a[2], "seq_cst")


@twin(void, any_, i64, i64)
def store_release(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    b.store_atomic(a[2], _element(cx, b, sig, a), "release", 8)
    return cx.get_dummy_value()


def _word(b: Any, a: Any) -> Any:
    return b.bitcast(b.gep(a[0], [a[1]]), ir.IntType(32).as_pointer())


@twin(i64, ptr, i64)
def le32_acquire(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.zext(b.load_atomic(_word(b, a), "acquire", 4), ir.IntType(64))


@twin(void, ptr, i64, i64)
def put_le32_release(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    b.store_atomic(b.trunc(a[2], ir.IntType(32)), _word(b, a), "release", 4)
    return cx.get_dummy_value()


def overlay(o: Any) -> Any:
    """The compiled twin of a structs.Overlay: an address."""
    def made(tyctx: Any, owner: Any) -> Any:
        if not (isinstance(owner, Struct) and owner.name == o.owner.__name__):
            raise errors.TypingError(f"{o.view.__name__} lies over a {o.owner.__name__}, not a {getattr(owner, 'name', owner)}")
        return numba_type(o.view)(owner), emit

    def emit(cx: Any, b: Any, sig: Any, a: Any) -> Any:
        at = b.gep(b.bitcast(a[0], cgutils.voidptr_t), [ir.Constant(ir.IntType(64), o.offset)])
        return b.bitcast(at, cx.get_value_type(sig.return_type))
    made.__name__ = f"{o.view.__name__} at {o.offset}"          # what depends on it is compiled again when this changes
    return intrinsic(made)
