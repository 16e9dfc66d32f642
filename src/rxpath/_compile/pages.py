"""Zeroed memory for state and packets, which runs of one process may take one after the other.

A page that is touched for the first time costs the kernel's fault and, in a virtual machine, often the host's: 5 us were measured, where
setting it to zero again costs 0.3.  A short run touches two thousand, half of its CPU time.  So what a run gives back is kept, and cleaned
for the next one that wants as much: it cannot tell.  Which pages those are the kernel says since 6.7 (PAGEMAP_SCAN,
Documentation/admin-guide/mm/pagemap.rst); where it does not, each run has new memory."""
import _thread
import ctypes
import fcntl
import mmap
import os
import struct
import sys

MAP_NORESERVE = 0x4000          # <asm-generic/mman.h>; Python's mmap has no name for it before 3.13
KEPT_MOST = 6                   # memories: those of a run and of its capture, twice
TOUCHED_MOST = 32 << 20         # bytes of a memory that is kept
ONLY_OURS = 2                   # references to what was just taken from the list: our variable, and the call that counts them
PAGEMAP_SCAN = 0xC0606610       # <linux/fs.h>; the next three, too
PAGE_IS_PRESENT, PAGE_IS_SWAPPED, PAGE_IS_PFNZERO = 1 << 3, 1 << 4, 1 << 5
SCAN = struct.Struct("=12Q")    # struct pm_scan_arg
REGION = struct.Struct("=3Q")   # struct page_region: from, to, what it is
REGIONS_MOST = 4096             # of a memory that is kept

_kept: list[mmap.mmap] = []     # the newest last
_found = ctypes.create_string_buffer(REGIONS_MOST * REGION.size)
_looking = _thread.allocate_lock()          # who uses these two


def pages(size: int) -> mmap.mmap:
    """Zeroed memory of this process alone that is not reserved before it is touched."""
    with _looking:
        for i in range(len(_kept) - 1, -1, -1):
            if len(_kept[i]) == size:
                kept = _kept.pop(i)
                if sys.getrefcount(kept) <= ONLY_OURS and _clean(kept):     # else somebody still looks at the last run
                    return kept
                break
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)


def give_back(*memories: mmap.mmap) -> None:
    """Of pages(): nobody will use them any more, though some may still hold them.  Those that were little used are kept."""
    with _looking:
        for memory in memories:
            touched = _touched(memory)
            if touched is not None and sum(end - start for start, end in touched) <= TOUCHED_MOST:
                _kept.append(memory)
        del _kept[:-KEPT_MOST]


def _touched(memory: mmap.mmap) -> list[tuple[int, int]] | None:
    """Addresses from and to, of pages that something was written to.  None: the kernel does not say, or they are too many."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    end = start + -(-len(memory) // mmap.PAGESIZE) * mmap.PAGESIZE
    somewhere = PAGE_IS_PRESENT | PAGE_IS_SWAPPED
    ask = bytearray(SCAN.pack(SCAN.size, 0, start, end, 0, ctypes.addressof(_found), REGIONS_MOST, 0,
                              PAGE_IS_PFNZERO, PAGE_IS_PFNZERO, somewhere, somewhere))      # not the page of zeros that reading gives
    try:
        fd = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        try:
            n = fcntl.ioctl(fd, PAGEMAP_SCAN, ask)
        finally:
            os.close(fd)
    except OSError:
        return None
    if SCAN.unpack(ask)[4] != end:
        return None
    return [(a, b) for a, b, _ in REGION.iter_unpack(_found.raw[:n * REGION.size])]


def _clean(memory: mmap.mmap) -> bool:
    """Zero again, as if it were new."""
    touched = _touched(memory)
    for start, end in touched or ():
        ctypes.memset(start, 0, end - start)
    return touched is not None


def _in_child() -> None:
    """The parent's pages would be copied when they are cleaned: dearer than new ones."""
    global _looking
    _looking = _thread.allocate_lock()
    _kept.clear()


os.register_at_fork(after_in_child=_in_child)
