"""Compile the path: `python -m rxpath._compile.build STEM` writes STEM.so (or STEM.o where there is no ld) and prints its name.

As in C: a function is compiled by itself, against the declarations of what it uses (the annotations of the functions that it calls,
the fields that it names, the constants), into bitcode that is kept under a hash of exactly those.  What ships is linked, optimised as one
program and emitted.  In a source tree (RXPATH_WHOLE=0, its default there) each function has an object of its own, kept likewise, so that
an edit costs one function and a run of ld; that code is about half as fast.  The only file that imports Numba: private API of the
pinned version, needed only to build."""
import builtins
import contextlib
import ctypes
import difflib
import dis
import enum
import hashlib
import importlib
import os
import pathlib
import pkgutil
import re
import shutil
import subprocess
import sys
import time
import types as pytypes
from typing import Any, get_type_hints

import llvmlite.binding as ll
from llvmlite import ir
from numba import __version__ as numba_version
from numba import types
from numba.core import cgutils, codegen, compiler, errors, funcdesc, registry
from numba.core.imputils import lower_constant, lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.cpython import numbers
from numba.extending import intrinsic, models, register_model, typeof_impl
from numba.np import arrayobj
from numba.np.arrayobj import make_array, record_getattr, record_setattr

from . import check, functions, loader, memory, options, structs


# ---------------------------------------------------------------- types
class Struct(types.Record):
    """A record that is called by its name; its integers read as int64, as in plain Python.

    A header's fields lie in network order, at any address."""

    def __init__(self, ct: Any) -> None:
        members = [m for m in ct._fields_ if not m[0].startswith("_pad")]
        fields = [(n, {"type": numba_type(c), "offset": getattr(ct, n).offset}) for n, c, *_ in members]
        super().__init__(fields, ctypes.sizeof(ct), aligned=not hasattr(ct, "_pack_"))
        self.name, self.stores = ct.__name__, ct.stores
        self.swapped = {n for n, c, *_ in members if ctypes.sizeof(c) > 1 and getattr(c, "__ctype_be__", None) is c}
        self.bits = {n: (getattr(ct, n).size & 0xFFFF, *width) for n, _, *width in members if width}    # first bit, how many


register_model(Struct)(models.RecordModel)


def wide(t: Any) -> Any:
    return types.int64 if isinstance(t, types.Integer) else t


@infer_getattr
class StructAttribute(AttributeTemplate):
    key = Struct

    def generic_resolve(self, rec: Any, attr: str) -> Any:
        if attr not in rec.fields:
            near = difflib.get_close_matches(attr, rec.fields, 1)
            raise errors.TypingError(f"struct {rec.name} has no field {attr!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return wide(rec.typeof(attr))


@lower_getattr_generic(Struct)
def struct_getattr(context: Any, builder: Any, rec: Any, value: Any, attr: str) -> Any:
    v, t = record_getattr(context, builder, rec, value, attr), rec.typeof(attr)
    if attr in rec.swapped:
        v = builder.bswap(v)
    v = context.cast(builder, v, t, wide(t))
    if attr in rec.bits:
        shift, width = rec.bits[attr]
        v = builder.and_(builder.lshr(v, v.type(shift)), v.type((1 << width) - 1))
    return v


@lower_setattr_generic(Struct)
def struct_setattr(context: Any, builder: Any, sig: Any, args: Any, attr: str) -> Any:
    rec, value = sig.args
    if attr not in rec.swapped and attr not in rec.bits:
        return record_setattr(context, builder, sig, args, attr)
    t, v = rec.typeof(attr), context.cast(builder, args[1], value, rec.typeof(attr))
    if attr in rec.swapped:
        v = builder.bswap(v)
    place = cgutils.get_record_member(builder, args[0], rec.offset(attr), context.get_data_type(t))
    if attr in rec.bits:
        shift, width = rec.bits[attr]
        mask = (1 << width) - 1 << shift
        v = builder.and_(builder.shl(v, v.type(shift)), v.type(mask))
        v = builder.or_(v, builder.and_(builder.load(place, align=1), v.type(~mask)))
    return builder.store(v, place, align=1)


class StructClass(types.Opaque):
    """A struct's class itself, as struct_at() is given it."""

    def __init__(self, ct: Any) -> None:
        super().__init__(f"class {ct.__name__}")
        self.struct = numba_type(ct)


register_model(StructClass)(models.OpaqueModel)
typeof_impl.register(type(ctypes.Structure))(lambda ct, c: StructClass(ct))
lower_constant(StructClass)(lambda context, builder, t, ct: context.get_dummy_value())


class Declared(types.ExternalFunction):
    """A path function seen by its callers: a C symbol with the declared signature."""

    def __init__(self, f: Any) -> None:
        hints = get_type_hints(f)
        self.params = f.__code__.co_varnames[:f.__code__.co_argcount]
        missing = [n for n in (*self.params, "return") if n not in hints]
        if missing:
            raise Refused(f, f"{missing[0]!r} has no annotation")
        if f.__defaults__ or f.__closure__:
            raise Refused(f, "a path function has no default arguments and no closure")
        super().__init__(f.__name__, numba_type(hints["return"])(*[numba_type(hints[n]) for n in self.params]))

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        if kws or len(args) != len(self.params):
            raise errors.TypingError(f"{self.symbol}() takes ({', '.join(self.params)}), got {len(args) + len(kws)} arguments")
        for name, want, got in zip(self.params, self.sig.args, args, strict=True):
            wrong = isinstance(want, Struct) != isinstance(got, Struct) or isinstance(got, types.Float)
            if wrong or context.can_convert(got, want) is None:
                raise errors.TypingError(f"{self.symbol}(): {name!r} wants {want.name}, got {getattr(got, 'name', got)}")
        return self.sig


class Refused(Exception):
    """One line for the developer."""

    def __init__(self, f: Any, why: str, line: int = 0) -> None:
        c = f.__code__
        super().__init__(f"{c.co_filename}:{line or c.co_firstlineno}: in {f.__name__}: {why}")


_seen: dict[Any, Any] = {int: types.int64, bool: types.int64, type(None): types.none, memory.Mem: types.voidptr}


def numba_type(t: Any) -> Any:
    """From an annotation or a ctypes type."""
    if t not in _seen:
        if hasattr(t, "_length_"):
            shape: tuple[int, ...] = ()
            while hasattr(t, "_length_"):
                shape, t = (*shape, t._length_), t._type_
            return types.NestedArray(numba_type(t), shape)
        if hasattr(t, "_fields_"):
            _seen[t] = Struct(t)
        elif isinstance(t, type) and issubclass(t, ctypes._SimpleCData):
            _seen[t] = getattr(types, f"{'u' if t(-1).value > 0 else ''}int{8 * ctypes.sizeof(t)}")
        else:
            raise errors.TypingError(f"{t!r} is no type of the path: int, bool, None, Mem or a struct")
    return _seen[t]


# ---------------------------------------------------------------- intrinsics: the compiled twins of memory.py
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
    cgutils.raw_memcpy(b, b.gep(a[0], [a[1]]), b.gep(a[2], [a[3]]), a[4], 1)
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
def popcount(cx: Any, b: Any, sig: Any, a: Any) -> Any:
    return b.ctpop(a[0])


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


# ---------------------------------------------------------------- one function -> bitcode
class Unit(codegen.CPUCodeLibrary):
    """Collects unoptimised code."""

    def add_llvm_module(self, m: Any) -> None:
        self._final_module.link_in(m)

    def finalize(self) -> None:
        self._finalized = True


typing_context, target_context = registry.cpu_target.typing_context, registry.cpu_target.target_context
flags = compiler.Flags()
flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = flags.release_gil = True
flags.error_model = "numpy"
flags.boundscheck = options.BOUNDS


def c_index(context: Any, builder: Any, idxty: Any, idx: Any, size: Any) -> Any:
    """As in C: -1 is no element, not the last one (under BOUNDS it is a fault)."""
    if isinstance(idxty, types.Float):
        raise errors.TypingError("an index is an integer")
    return context.cast(builder, idx, idxty, types.intp)


arrayobj.fix_integer_index = c_index
numbers._int_arith_flags = lambda t: []             # as with -fwrapv: Numba's "nsw" makes an overflowing hash or random number undefined


def compile_unit(f: Any, declared: Declared) -> bytes:
    for op in dis.get_instructions(f):
        if op.opname == "LOAD_GLOBAL" and op.argval not in f.__globals__ and not hasattr(builtins, op.argval):
            raise Refused(f, f"name {op.argval!r} is not defined", op.positions.lineno or 0)    # type: ignore[union-attr]
    unit = Unit(target_context.codegen(), f.__name__)
    try:
        cr = compiler.compile_extra(typing_context, target_context, f, declared.sig.args, declared.sig.return_type, flags, {}, library=unit)
    except errors.NumbaError as e:
        raise Refused(f, *explain(e)) from (e if os.environ.get("RXPATH_TRACE") else None)
    got = cr.fndesc
    m = target_context.create_module(f"{f.__name__}.c")         # the C function round Numba's
    ext = funcdesc.ExternalFunctionDescriptor(f.__name__, declared.sig.return_type, declared.sig.args)
    fn = ir.Function(m, target_context.get_external_function_type(ext), f.__name__)
    b = ir.IRBuilder(fn.append_basic_block())
    status, out = target_context.call_conv.call_function(b, target_context.declare_function(m, got), got.restype, got.argtypes, fn.args)
    with cgutils.if_unlikely(b, status.is_error):               # an assert or (BOUNDS) an index: the first one is kept
        fault = cgutils.add_global_variable(m, cgutils.voidptr_t, "rxpath_fault")
        with b.if_then(cgutils.is_null(b, b.load(fault))):
            name = cgutils.global_constant(m, ".name", cgutils.make_bytearray(f.__name__.encode() + b"\0"))
            b.store(name.bitcast(cgutils.voidptr_t), fault)
    b.ret(target_context.get_value_as_argument(b, got.restype, out))
    unit.add_ir_module(m)
    mod = unit._final_module
    for lib in unit._linking_libraries:
        mod.link_in(lib._get_module_for_linking(), preserve=True)
    for g in (*mod.functions, *mod.global_variables):
        if not g.is_declaration and g.name != f.__name__:
            g.linkage = "internal"
    optimise(mod, machine(), 1)                                 # once here halves the later link
    return bytes(mod.as_bitcode())


def explain(e: Exception) -> tuple[str, int]:
    """The first sentence of ours, or of Numba's, and the innermost line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(e))
    lines = [int(n) for n in re.findall(r"\((\d+)\)", text)] or [0]
    ours = re.search(r"(struct \w+ has no field [^\n]*|\w+\(\): '[^\n]*|\w+\(\) takes [^\n]*|"
                     r"\w+ lies over a \w+, not a \w+|an index is an integer)", text)
    if ours:
        return ours[1].strip(), getattr(getattr(e, "loc", None), "line", 0) or lines[-1]
    if "none" in text and ("unify" in text or "return" in text):
        return "a path through the function returns nothing", 0
    said = [s.strip() for s in text.splitlines() if s.strip() and not s.startswith(("Failed in", "File", "During", "-", " "))]
    return (said or [text])[0][:300], lines[-1]


# ---------------------------------------------------------------- what a function depends on
def layout_of(ct: Any) -> str:
    """A type as far as the code that touches it can tell: sizes, and for arrays their strides."""
    if hasattr(ct, "_length_"):
        return f"{layout_of(ct._type_)}[{ct._length_}]"
    return f"{ct.__name__}:{ctypes.sizeof(ct)}"


def named_fields(names: set[str]) -> list[tuple[str, str, int, str]]:
    """Where the fields of these names lie, in every struct: a field that a function does not name may move."""
    return [(s.__name__, n, getattr(s, n).offset, layout_of(c)) for s in (*structs.STRUCTS, *structs.HEADERS)
            for n, c, *_ in s._fields_ if n in names]


def dependencies(f: Any) -> str:
    names: tuple[str, ...] = f.__code__.co_names
    seen: list[Any] = []
    for n in names:
        v = f.__globals__.get(n)
        seen.append((n, describe(v)))
        if isinstance(v, pytypes.ModuleType | enum.EnumMeta):
            seen += [(n, m, describe(getattr(v, m, None))) for m in names]
    inits = [(s.__name__, ctypes.sizeof(s), s.stores) for s in structs.STRUCTS] if {"init_struct", "reset_struct"} & set(names) else []
    return repr((seen, named_fields(set(names)), inits))


def describe(v: Any) -> Any:
    if isinstance(v, Declared):
        return str(v.sig)
    return v if isinstance(v, int | float | str | tuple) else getattr(v, "__name__", "")


def code_of(c: Any) -> str:
    consts = [code_of(k) if hasattr(k, "co_code") else k for k in c.co_consts]
    return repr((c.co_code, consts, c.co_names, c.co_varnames, c.co_exceptiontable))


def unit_key(f: Any, declared: Declared, common: str) -> str:
    body = code_of(f.__code__).replace(repr(f.__doc__), "")                 # comments and docstrings are free
    return hashlib.sha256("|".join((common, f.__name__, str(declared.sig), body, dependencies(f))).encode()).hexdigest()[:24]


# ---------------------------------------------------------------- the program
def import_path() -> None:
    """Every module of the rooms that the core is made from."""
    top = str(__package__).rpartition(".")[0]
    importlib.import_module(f"{top}.boot")
    for room in loader.ROOMS:
        package = importlib.import_module(f"{top}.{room}")
        for m in pkgutil.iter_modules(package.__path__):
            if not (room == "_compile" or m.ispkg):
                importlib.import_module(f"{top}.{room}.{m.name}")


def declare_all() -> dict[str, Declared]:
    """Swap functions for their declarations wherever they are named: callees are C symbols."""
    declared, top = {n: Declared(f) for n, f in functions.FUNCTIONS.items()}, str(__package__).rpartition(".")[0]
    spaces = {id(s): s for s in [m.__dict__ for n, m in sys.modules.items()
                                 if n.startswith(top) and m not in (memory, functions, sys.modules[__name__])]
              + [f.__globals__ for f in functions.FUNCTIONS.values()]}
    overlays: dict[int, Any] = {}
    for space in spaces.values():
        for n, v in list(space.items()):
            if isinstance(v, structs.Overlay):
                space[n] = overlays.setdefault(id(v), overlay(v))
            if not isinstance(v, pytypes.FunctionType):
                continue
            name = str(getattr(v, "__name__", ""))
            if functions.FUNCTIONS.get(name) is v:
                space[n] = declared[name]
            elif memory.PRIMITIVES.get(name) is v:
                space[n] = INTRINSICS[name]
    return declared


def front_end(units: pathlib.Path, jobs: int) -> list[pathlib.Path]:
    """Bitcode of every function (without WHOLE: its object, too): from the cache, or compiled, one process for each core."""
    import_path()
    broken = [Refused(f, why, line) for f, line, why in check.mistakes(functions.FUNCTIONS)]
    if broken:
        raise SystemExit("\n".join(map(str, broken)))
    declared = declare_all()
    common = "|".join((numba_version, options.UNIT_OPTIONS, sys.version, pathlib.Path(__file__).read_text()))
    keys = {n: unit_key(f, declared[n], common) for n, f in functions.FUNCTIONS.items()}
    units.mkdir(parents=True, exist_ok=True)
    kinds = [""] if options.WHOLE else ["", ".o"]
    todo = [n for n, k in keys.items() if not all((units / (k + kind)).exists() for kind in kinds)]

    def some(mine: list[str]) -> str:
        bad = []
        for n in mine:
            unit = units / keys[n]
            try:
                if not unit.exists():
                    keep(unit, compile_unit(functions.FUNCTIONS[n], declared[n]))
                if not options.WHOLE:
                    keep(unit.with_suffix(".o"), machine().emit_object(ll.parse_bitcode(unit.read_bytes())))
            except Refused as e:
                bad.append(str(e))
                continue
            except Exception as e:                              # our bug, or Numba's: say for which function
                bad.append(f"{n}: {e!r}")
                continue
        return "\n".join(bad)
    jobs = min(jobs, max(1, len(todo) // 8))
    if jobs == 1:
        bad = [some(todo)]
    else:                                                       # the front end is Python: one process each
        pipes = []
        for j in range(jobs):
            r, w = os.pipe()
            if not os.fork():
                os.close(r)
                with os.fdopen(w, "w") as out:
                    out.write(some(todo[j::jobs]))
                os._exit(0)
            os.close(w)
            pipes.append(os.fdopen(r))
        bad = [p.read() for p in pipes]
        for _ in pipes:
            os.wait()
    if any(bad):
        raise SystemExit("\n".join(filter(None, bad)))
    missing = [n for n, k in keys.items() if not (units / k).exists()]
    if missing:
        raise SystemExit(f"a compiling process ended early; missing: {', '.join(missing[:5])}")
    log(f"{len(todo)} of {len(keys)} functions compiled")
    found = [units / (k + kind) for k in keys.values() for kind in kinds]
    for unit in found:
        os.utime(unit)
    for old in sorted(units.iterdir(), key=last_used)[:-12 * len(keys)]:
        old.unlink(missing_ok=True)                             # units of code long gone
    return [unit for unit in found if unit.suffix == kinds[-1]]


def last_used(unit: pathlib.Path) -> float:
    """0 for one that another build has just taken away."""
    try:
        return unit.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def keep(path: pathlib.Path, code: bytes) -> pathlib.Path:
    """Write a file that others may read at any moment."""
    tmp = path.with_name(f"{path.name}.{os.getpid()}")
    tmp.write_bytes(code)
    return tmp.replace(path)


FAULT = "@rxpath_fault = global ptr null"                       # the first assert or index that failed


def link(codes: list[bytes]) -> Any:
    whole = ll.parse_assembly(FAULT)
    for c in codes:
        whole.link_in(ll.parse_bitcode(c))
    unknown = [f.name for f in whole.functions if f.is_declaration and f.name in functions.FUNCTIONS]
    if unknown:
        raise SystemExit(f"not linked: {unknown}")
    for f in whole.functions:
        if not f.is_declaration and f.name not in functions.ENTRIES:
            f.linkage = "internal"
        if f.name in functions.COLD:
            f.add_function_attribute("cold")
            f.add_function_attribute("noinline")
    return whole


_machine: Any = None


def machine() -> Any:
    global _machine
    if _machine is None:
        cpu = options.CPU if options.CPU != "native" else ll.get_host_cpu_name()
        features = ll.get_host_cpu_features().flatten() if options.CPU == "native" else ""
        if options.CPU.startswith("x86") and not ll.get_default_triple().startswith("x86_64"):
            cpu = "generic"
        triple = ll.Target.from_default_triple()
        _machine = triple.create_target_machine(cpu=cpu, features=features, opt=options.OPT, reloc="pic", codemodel="default")
    return _machine


def optimise(whole: Any, tm: Any, level: int) -> Any:
    tuning = ll.create_pipeline_tuning_options(speed_level=level)
    tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_interleaving = level > 1
    passes = ll.create_pass_builder(tm, tuning)
    passes.getModulePassManager().run(whole, passes)
    return whole


_t0 = time.perf_counter()


def log(what: str) -> None:
    if options.VERBOSE:
        print(f"  [{time.perf_counter() - _t0:6.2f} s] {what}", file=sys.stderr)


def whole_program(units: list[pathlib.Path]) -> bytes:
    """Everything linked and optimised as one program."""
    whole = link([u.read_bytes() for u in units])
    log("linked")
    optimise(whole, machine(), options.OPT)
    log("optimised")
    code = bytes(machine().emit_object(whole))
    log(f"emitted {len(code)} bytes")
    return code


def main(stem: pathlib.Path) -> pathlib.Path:
    log("imported")
    ld = shutil.which("ld") or shutil.which("ld.lld")
    options.WHOLE = options.WHOLE or ld is None
    units = front_end(loader.cache_folder() / "units", int(os.environ.get("RXPATH_JOBS", os.cpu_count() or 1)))
    objects = stem.with_name(f".{stem.name}.{os.getpid()}.o")
    objects.write_bytes(whole_program(units) if options.WHOLE else machine().emit_object(ll.parse_assembly(FAULT)))
    if not ld:
        return objects.replace(stem.with_name(stem.name + ".o"))
    so = objects.with_suffix(".so")
    arguments = ["-shared", "-Bsymbolic", "-z", "noexecstack", "-o", so, objects, *([] if options.WHOLE else units)]
    listed = objects.with_suffix(".list")                       # 600 names are more than some command lines take
    listed.write_text("\n".join(f'"{a}"' for a in arguments))
    subprocess.run([ld, f"@{listed}"], check=True)
    objects.unlink()
    listed.unlink()
    log("done")
    return so.replace(stem.with_name(stem.name + ".so"))


if __name__ == "__main__":
    ll.initialize_native_target()
    ll.initialize_native_asmprinter()
    ll.set_option("", f"-inline-threshold={options.INLINE}")
    try:
        print(main(pathlib.Path(sys.argv[1])))
    except Refused as refused:
        sys.exit(str(refused))
