"""The compiler of the path, and what its functions are written with.  The only room that knows Numba (build.py).

structs.py memory.py functions.py dispatch.py are what stations import; loader.py finds or builds the core; build.py makes it.
Measured and argued in ARCHITECTURE.md, "The core"."""
from .dispatch import DISPATCHES, Dispatch, install
from .functions import cold, entry, path_function
from .memory import (
    Mem,
    atomic_add,
    be16,
    be32,
    be64,
    byte,
    forget,
    init_struct,
    le16,
    le32,
    le64,
    load_acquire,
    mem_at,
    memcpy,
    memset,
    popcount,
    prefetch,
    put_be16,
    put_be32,
    put_byte,
    put_le16,
    put_le32,
    put_le64,
    region,
    reset_struct,
    store_release,
    xchg,
)
from .structs import CACHELINE, STRUCTS, Array, array, fields_of, i8, i16, i32, i64, new, pages, struct, table, u8, u16, u32

__all__ = [
    "CACHELINE", "DISPATCHES", "STRUCTS", "Array", "Dispatch", "Mem", "array", "atomic_add", "be16", "be32", "be64", "byte", "cold",
    "entry", "fields_of", "forget", "i8", "i16", "i32", "i64", "init_struct", "install", "le16", "le32", "le64", "load_acquire",
    "mem_at", "memcpy", "memset", "new", "pages", "path_function", "popcount", "prefetch", "put_be16", "put_be32", "put_byte",
    "put_le16", "put_le32", "put_le64", "region", "reset_struct", "store_release", "struct", "table", "u8", "u16", "u32", "xchg",
]
