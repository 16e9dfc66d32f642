"""Structs, annotations and declared functions, as Numba's types.

What a path function may name is typed here: a struct of structs.py is a record that is called by its name, a path function is a C symbol
with the signature of its annotations."""
import ctypes
import difflib
from typing import Any, get_type_hints

from numba import types
from numba.core import cgutils, errors
from numba.core.imputils import lower_constant, lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import models, register_model, typeof_impl
from numba.np.arrayobj import record_getattr, record_setattr

from . import memory


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


register_model(Declared)(models.OpaqueModel)    # an argument that is a choice (a if b else c): the callee is a value from block to block


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
