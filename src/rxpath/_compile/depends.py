"""What a function's bitcode depends on, as a hash: its code, the signatures of its callees, the constants and the fields that it names.

A comment, a docstring, a field that it does not name may change freely."""
import ctypes
import enum
import hashlib
import pathlib
import sys
import types
from typing import Any

from numba import __version__ as numba_version

from . import intrinsics, numba_types, options, structs, unit
from .numba_types import Declared

COMPILERS = (numba_types, intrinsics, unit)             # whose text is part of every key


def common_key() -> str:
    """What all units depend on."""
    texts = [pathlib.Path(str(m.__file__)).read_text() for m in COMPILERS]
    return "|".join((numba_version, options.UNIT_OPTIONS, sys.version, *texts))


def layout_of(ct: Any) -> str:
    """A type as far as the code that touches it can tell: sizes, and for arrays their strides."""
    if hasattr(ct, "_length_"):
        return f"{layout_of(ct._type_)}[{ct._length_}]"
    return f"{ct.__name__}:{ctypes.sizeof(ct)}"


Field = tuple[str, str, int, str]                       # struct, name, offset, layout


def fields_by_name() -> dict[str, list[tuple[int, Field]]]:
    """Where the fields of each name lie, in every struct, numbered in their order."""
    index: dict[str, list[tuple[int, Field]]] = {}
    every = [(s, n, c) for s in (*structs.STRUCTS, *structs.HEADERS) for n, c, *_ in s._fields_]
    for place, (s, n, c) in enumerate(every):
        index.setdefault(n, []).append((place, (s.__name__, n, getattr(s, n).offset, layout_of(c))))
    return index


def dependencies(f: Any, fields: dict[str, list[tuple[int, Field]]]) -> str:
    """A field that the function does not name may move."""
    names: tuple[str, ...] = f.__code__.co_names
    seen: list[Any] = []
    for n in names:
        v = f.__globals__.get(n)
        seen.append((n, describe(v)))
        if isinstance(v, types.ModuleType | enum.EnumMeta):
            seen += [(n, m, describe(getattr(v, m, None))) for m in names]
    inits = [(s.__name__, ctypes.sizeof(s), s.stores) for s in structs.STRUCTS] if {"init_struct", "reset_struct"} & set(names) else []
    named = [field for _, field in sorted(place for n in set(names) for place in fields.get(n, ()))]
    return repr((seen, named, inits))


def signature(declared: Declared) -> str:
    """Structs by their names: they are handed over by address, so that their layout is not the caller's business."""
    return ", ".join(str(t.name) for t in (*declared.sig.args, declared.sig.return_type))


def describe(v: Any) -> Any:
    if isinstance(v, Declared):
        return signature(v)
    return v if isinstance(v, int | float | str | tuple) else getattr(v, "__name__", "")


def code_of(c: Any) -> str:
    consts = [code_of(k) if hasattr(k, "co_code") else k for k in c.co_consts]
    return repr((c.co_code, consts, c.co_names, c.co_varnames, c.co_exceptiontable))


def unit_keys(functions: dict[str, Any], declared: dict[str, Declared]) -> dict[str, str]:
    """The name of each function's unit."""
    common, fields = common_key(), fields_by_name()
    return {n: unit_key(f, declared[n], common, fields) for n, f in functions.items()}


def unit_key(f: Any, declared: Declared, common: str, fields: dict[str, list[tuple[int, Field]]]) -> str:
    body = code_of(f.__code__).replace(repr(f.__doc__), "")                 # comments and docstrings are free
    return hashlib.sha256("|".join((common, f.__name__, signature(declared), body, dependencies(f, fields))).encode()).hexdigest()[:24]
