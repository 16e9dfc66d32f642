"""Compile the path: `python -m rxpath._compile.build STEM` writes STEM.so (or STEM.o where there is no ld) and prints its name.

As in C: a function is compiled by itself (unit.py), against the declarations of what it uses (the annotations of the functions that it
calls, the fields that it names, the constants), into bitcode that is kept under a hash of exactly those (depends.py).  What ships is
linked, optimised as one program and emitted.  In a source tree (RXPATH_WHOLE=0, its default there) each function has an object of its
own, kept likewise, so that an edit costs one function and a run of ld; that code is about half as fast.

numba_types.py intrinsics.py unit.py depends.py and this file use Numba: private API of the pinned version, needed only to build."""
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
import types
from typing import Any

import llvmlite.binding as ll

from . import check, functions, loader, memory, options, structs
from .depends import unit_keys
from .intrinsics import INTRINSICS, overlay
from .numba_types import Declared, Refused
from .unit import compile_unit, machine, optimise


def import_path() -> None:
    """Every module of the rooms that the core is made from: boot links them all when it is imported here."""
    importlib.import_module(f"{str(__package__).rpartition('.')[0]}.boot")


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
            if not isinstance(v, types.FunctionType):
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
    keys = unit_keys(functions.FUNCTIONS, declared)
    units.mkdir(parents=True, exist_ok=True)
    kinds = [""] if options.WHOLE else ["", ".o"]
    todo = [n for n, k in keys.items() if not all([known(units / (k + kind)) for kind in kinds])]

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
    tidy(units, 12 * len(keys))
    return [units / (k + kinds[-1]) for k in keys.values()]


def known(unit: pathlib.Path) -> bool:
    """Is it there?  Then it has been used now, and nobody tidies it away."""
    try:
        os.utime(unit)
        return True
    except FileNotFoundError:
        return False


def tidy(units: pathlib.Path, most: int) -> None:
    """Take away units of code long gone: those beyond `most` that no build has used for an hour."""
    for old in sorted(units.iterdir(), key=last_used)[:-most]:
        if last_used(old) < time.time() - 3600:
            old.unlink(missing_ok=True)


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
        if f.name in functions.COLD or f.name in functions.NOINLINE:
            f.add_function_attribute("noinline")
        if f.name in functions.ALWAYS_INLINE:
            f.add_function_attribute("alwaysinline")
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
