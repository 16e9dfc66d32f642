"""Find the compiled core, or have it built; load it.

A core is named by the hash of the sources it was made from and of the build options, so a stale one cannot be loaded.  It is looked
for inside the package (the wheel carries it), then in the user's cache folder, then compiled there by build.py in a child process."""
import ctypes
import importlib.util
import os
import pathlib
import sys
import time
import zlib
from typing import Any

from . import options

PACKAGE = pathlib.Path(__file__).parent.parent
ROOMS = ("_compile", "abi", "cable", "drivers", "irq", "link", "network", "transport", "turn", "user", "vtime", "walltime")
KEEP_CORES = 8                          # older ones are deleted from the cache folder


def path_sources() -> list[pathlib.Path]:
    """Every file that the core is made from."""
    return sorted(p for room in ROOMS for p in (PACKAGE / room).glob("*.py")) + sorted(PACKAGE.glob("*.py"))


def key() -> str:
    """Names one build: what the core was made from, and how.  It is remembered with the sizes and times of the sources, as Python remembers
    its bytecode: to read and hash them all is 10 ms of every start."""
    here = f"{options.BUILD_OPTIONS} {_states()}"
    memory = _users_cache() / f"key.{zlib.crc32(os.fsencode(PACKAGE)):08x}"
    try:
        if (known := memory.read_text().split("\n", 1))[1] == here:
            return known[0]
    except (OSError, ValueError, IndexError):
        pass
    name = _hash()
    if _is_ours(memory.parent) and here == f"{options.BUILD_OPTIONS} {_states()}":       # nobody edited meanwhile
        try:
            ours = memory.with_suffix(f".{os.getpid()}")
            ours.write_text(f"{name}\n{here}")
            ours.replace(memory)
        except OSError:                     # a full disk: hashed again next time
            pass
    return name


def _hash() -> str:
    import hashlib

    h = hashlib.sha256(options.BUILD_OPTIONS.encode())
    for p in path_sources():
        h.update(p.name.encode())
        h.update(p.read_bytes())
    return h.hexdigest()[:16]


def _states() -> list[tuple[str, str, int, int, int]]:
    """Of every source: what changes when it is written, or another is put in its place."""
    found = []
    for room in (*ROOMS, ""):
        with os.scandir(PACKAGE / room) as entries:
            found += [(room, e.name, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
                      for e in entries if e.name.endswith(".py") and (s := e.stat())]
    return sorted(found)


def cache_folder() -> pathlib.Path:
    """A folder that can be written: the user's cache, or one of this user's in the temporary folder."""
    chosen = _users_cache()
    if _is_ours(chosen):
        return chosen
    import tempfile

    other = pathlib.Path(tempfile.gettempdir()) / f"rxpath-{os.getuid()}"
    if _is_ours(other):
        return other
    raise SystemExit(f"rxpath: no folder to compile into: {chosen} cannot be written; set RXPATH_CACHE")


def _users_cache() -> pathlib.Path:
    return pathlib.Path(os.environ.get("RXPATH_CACHE")
                        or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "rxpath"))


def _is_ours(d: pathlib.Path) -> bool:
    """Made if it is not there.  Code is loaded from here: nobody else's folder."""
    try:
        d.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.access(d, os.W_OK) and d.stat().st_uid == os.getuid()
    except OSError:
        return False


def find(name: str) -> pathlib.Path | None:
    for d in (PACKAGE, None):
        d = d or cache_folder()
        for ext in (".so", ".o"):
            if (d / (name + ext)).exists():
                return d / (name + ext)
    return None


def available() -> bool:
    """Is there a core for these sources, or a compiler to make one?"""
    return find(f"_core.{key()}") is not None or importlib.util.find_spec("numba") is not None


_core: Any = None


def core() -> Any:
    """The loaded core.  Load it before threads start."""
    global _core
    if _core is None:
        name = f"_core.{key()}"
        path = find(name) or build(cache_folder() / name)
        _core = ctypes.CDLL(str(path)) if path.suffix == ".so" else _ObjectFile(path)
    return _core


def build(stem: pathlib.Path) -> pathlib.Path:
    """Compile in a child process; show one line meanwhile."""
    import subprocess

    if not importlib.util.find_spec("numba"):
        raise SystemExit("rxpath: there is no compiled core for these sources and no Numba to make one: "
                         "pip install 'rxpath[build]', or RXPATH_PLAIN=1 for the slow way")
    stem.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    how = "" if options.WHOLE else " (as separate objects; RXPATH_WHOLE=1: once longer, and fast code)"
    print(f"rxpath: sources changed, compiling the core{how} ...", end="", file=sys.stderr, flush=True)
    path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    out = subprocess.run([sys.executable, "-m", f"{__package__}.build", str(stem)], text=True, stdout=subprocess.PIPE,
                         env=dict(os.environ, RXPATH_BUILDING="1", PYTHONPATH=path))
    print(f" {time.monotonic() - started:.1f} s", file=sys.stderr)
    if out.returncode:
        raise SystemExit("rxpath: the core did not compile")          # the child said why
    if stem.parent == cache_folder():
        for old in sorted(stem.parent.glob("_core.*"), key=lambda p: p.stat().st_mtime)[:-KEEP_CORES]:
            old.unlink(missing_ok=True)
    return pathlib.Path(out.stdout.strip().splitlines()[-1])


def raise_fault(result: Any, func: Any, args: Any) -> Any:
    """ctypes' errcheck under RXPATH_BOUNDS=1: the first function in which an index was out of range."""
    fault = ctypes.c_char_p.in_dll(core(), "rxpath_fault")
    if fault.value:
        where, fault.value = fault.value.decode(), None
        raise IndexError(f"out of range in {where}; RXPATH_PLAIN=1 shows the line")
    return result


class _ObjectFile:
    """An object file loaded by LLVM's own linker, for machines without ld (Numba is there: it built the file)."""

    def __init__(self, path: pathlib.Path) -> None:
        import llvmlite.binding as ll
        ll.initialize_native_target()
        ll.initialize_native_asmprinter()
        machine = ll.Target.from_default_triple().create_target_machine(jit=True)
        self._engine = ll.create_mcjit_compiler(ll.parse_assembly(""), machine)
        self._engine.add_object_file(ll.ObjectFileRef.from_path(str(path)))
        self._engine.finalize_object()

    def __getattr__(self, name: str) -> Any:
        return ctypes.CFUNCTYPE(ctypes.c_int64)(self._engine.get_function_address(name))
