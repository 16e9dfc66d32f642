"""Memory that runs of one process take one after the other is as if it were new."""
import ctypes
import importlib
import mmap
import os

import pytest

from rxpath._compile import give_back
from rxpath._compile.pages import pages

memory = importlib.import_module("rxpath._compile.pages")
PAGE = mmap.PAGESIZE
SIZE = 4096 * PAGE - 100                                    # its last page is not whole


@pytest.fixture(autouse=True)
def nothing_kept():
    memory._kept.clear()
    yield
    memory._kept.clear()


@pytest.fixture
def says():
    """The kernel says which pages were touched."""
    if memory._touched(pages(SIZE)) is None:
        pytest.skip("this kernel has no PAGEMAP_SCAN")


def place(m: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(m))


def test_what_is_taken_again_is_zero(says):
    first = pages(SIZE)
    for at in (0, 5 * PAGE + 7, 6 * PAGE, 100 * PAGE + 1, SIZE - 1):
        first[at] = 0xFF
    assert not any(first[2000 * PAGE:2001 * PAGE]), "read: the page of zeros"
    where = place(first)
    assert [(a - where, b - where) for a, b in memory._touched(first)] == [
        (0, PAGE), (5 * PAGE, 7 * PAGE), (100 * PAGE, 101 * PAGE), (4095 * PAGE, 4096 * PAGE)]
    give_back(first)
    del first
    again = pages(SIZE)
    assert place(again) == where and not memory._kept
    assert again[:] == bytes(SIZE)


def test_what_somebody_still_looks_at_is_left_to_him(says):
    first = pages(SIZE)
    view = memoryview(first)[10:20]
    view[:] = b"0123456789"
    where = place(first)
    give_back(first)
    del first
    assert place(pages(SIZE)) != where and bytes(view) == b"0123456789"
    assert not memory._kept


def test_another_size_is_other_memory_and_few_are_kept(says):
    several = [pages(SIZE + i * PAGE) for i in range(memory.KEPT_MOST + 2)]
    newest = place(several[-1])
    give_back(*several)
    last = len(several[-1])
    del several
    assert len(memory._kept) == memory.KEPT_MOST
    assert place(pages(SIZE)) not in {place(m) for m in memory._kept}
    assert place(pages(last)) == newest


def test_what_was_used_much_is_not_kept(says, monkeypatch):
    monkeypatch.setattr(memory, "TOUCHED_MOST", 10 * PAGE)
    much, little = pages(SIZE), pages(SIZE)
    much[:11 * PAGE] = b"x" * (11 * PAGE)
    little[:10 * PAGE] = b"x" * (10 * PAGE)
    give_back(much, little)
    assert memory._kept == [little]


def test_pages_that_are_scattered_over_more_places_than_are_looked_at_are_not_kept(says):
    much = pages(4 * memory.REGIONS_MOST * PAGE)
    for i in range(memory.REGIONS_MOST + 1):
        much[2 * i * PAGE] = 1
    assert memory._touched(much) is None
    give_back(much)
    assert not memory._kept


def test_where_the_kernel_does_not_say_each_run_has_new_memory(monkeypatch):
    monkeypatch.setattr(memory, "PAGEMAP_SCAN", 0xC0606600)
    give_back(pages(SIZE))
    assert not memory._kept


def test_a_child_begins_with_none(says):
    give_back(pages(SIZE))
    assert len(memory._kept) == 1
    child = os.fork()
    if child == 0:
        os._exit(len(memory._kept) + 10 * memory._looking.locked())
    assert os.waitpid(child, 0)[1] == 0 and len(memory._kept) == 1


def test_a_run_gives_its_memory_back_at_once_and_the_next_one_cannot_tell(says):
    from rxpath.workbench.jobs.unit import Unit, run

    slow, fast = Unit("first"), Unit("first", overrides=("ethtool.rx=4096", "app.0.service=1us"))
    first, other = run(slow), run(fast)
    kept = {place(m) for m in memory._kept}
    assert len(kept) == 3
    assert run(slow) == first and run(fast) == other != first
    assert {place(m) for m in memory._kept} == kept
