"""The compiler as a developer meets it: an edit costs one function, a comment none, a mistake is one line with its place."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

import rxpath
from rxpath._compile import options

pytest.importorskip("numba", reason="the compiler")
pytestmark = pytest.mark.skipif(options.PLAIN or shutil.which("ld") is None, reason="no compiled core here")
PACKAGE = pathlib.Path(rxpath.__file__).parent
WHERE = "network/ip_input.py"


class Tree:
    """A source tree of its own; bitcode that is already known is taken from the usual cache."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        shutil.copytree(PACKAGE, root / "src" / "rxpath", ignore=shutil.ignore_patterns("_core.*", "__pycache__"))
        (root / "pyproject.toml").touch()                   # what makes it a source tree

    def edit(self, old: str, new: str) -> None:
        file = self.root / "src" / "rxpath" / WHERE
        text = file.read_text()
        assert text.count(old) == 1, f"{WHERE} no longer holds {old!r} once"
        file.write_text(text.replace(old, new))

    def run(self, *code: str) -> subprocess.CompletedProcess[str]:
        env = {k: v for k, v in os.environ.items() if k not in ("RXPATH_WHOLE", "RXPATH_PLAIN")}
        env.update(PYTHONPATH=str(self.root / "src"), RXPATH_VERBOSE="1", PYTHONDONTWRITEBYTECODE="1")
        return subprocess.run([sys.executable, "-c", *code], env=env, text=True, capture_output=True, timeout=600, cwd=self.root)

    def build(self) -> subprocess.CompletedProcess[str]:
        return self.run("from rxpath._compile import loader; loader.core()")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    t = Tree(tmp_path_factory.mktemp("tree"))
    built = t.build()
    assert built.returncode == 0, built.stderr
    return t


def compiled(said: str) -> int:
    found = re.search(r"(\d+) of \d+ functions compiled", said)
    assert found, said
    return int(found[1])


def test_separate_objects_give_the_same_run_as_the_whole_program(tree):
    command = "import sys; from rxpath.workbench.cli import main; sys.argv = ['rxpath', 'replay', 'first', '--json']; main()"
    separate = tree.run(command)
    here = subprocess.run([sys.executable, "-c", command], text=True, capture_output=True, timeout=600)
    assert separate.returncode == here.returncode == 0
    assert separate.stdout == here.stdout


def test_the_name_of_a_build_is_remembered_while_no_source_is_written(tree, tmp_path, monkeypatch):
    """By size and time, as Python remembers bytecode; whoever puts an older time back is found out by the inode's."""
    def name(*code: str) -> str:
        done = tree.run("; ".join(["from rxpath._compile import loader", *code, "print(loader.key())"]))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    monkeypatch.setenv("RXPATH_CACHE", str(tmp_path / "cache"))
    never = "loader._hash = lambda: 'hashed'"
    first = name()
    assert re.fullmatch("[0-9a-f]{16}", first) and name(never) == first
    monkeypatch.setenv("RXPATH_OPT", "2")
    assert name(never) == "hashed", "another build"
    monkeypatch.delenv("RXPATH_OPT")
    assert name() == first
    file = tree.root / "src/rxpath" / WHERE
    text, times = file.read_text(), file.stat()
    file.write_text(text.replace("ip", "pi", 1))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert name() not in (first, "hashed") and name(never) != first
    file.write_text(text)
    assert name() == first
    (memory,) = (tmp_path / "cache").glob("key.*")
    for odd in ("", "one line", "\n", "\0"):
        memory.write_text(odd)
        assert name() == first
    memory.unlink()
    memory.mkdir()                                            # cannot be written
    assert name() == first


def test_a_comment_compiles_nothing_and_an_edit_compiles_its_function(tree):
    source = (tree.root / "src/rxpath" / WHERE).read_text()
    first = re.search(r"    at\(net, cpu, skb, Stage\.ip_rcv\)[^\n]*\n", source)
    assert first, "ip_rcv opens with its stage"
    now = time.time_ns()                                       # no cache has seen this text
    tree.edit(first[0], first[0] + f"    # {now}\n")
    assert compiled(tree.build().stderr) == 0
    new = f"    skb.len = skb.len + {now} - 1\n"
    tree.edit(f"    # {now}\n", new)
    assert compiled(tree.build().stderr) == 1
    tree.edit(new, "")


@pytest.mark.parametrize(("wrong", "says"), [
    ("    skb.lenn = 1\n", "struct sk_buff has no field 'lenn'; did you mean 'len'?"),
    ("    skb.len = ip_hdr(net, skb).sadr\n", "struct iphdr has no field 'sadr'; did you mean 'saddr'?"),
    ("    return no_such_thing\n", "name 'no_such_thing' is not defined"),
    ("    at(net, cpu)\n", "at() takes (net, cpu, skb, stage), got 2 arguments"),
    ("    touch(net, cpu, skb, Touch.ip_local_in)\n", "touch() may park the packet"),
    ("    IPCB(net.dev[0])\n", "inet_skb_parm lies over a sk_buff, not a net_device"),
], ids=["field", "header", "name", "arguments", "last act", "control block"])
def test_a_mistake_is_one_line_with_file_line_and_reason(tree, wrong, says):
    source = (tree.root / "src/rxpath" / WHERE).read_text()
    first = re.search(r"    at\(net, cpu, skb, Stage\.ip_rcv\)[^\n]*\n", source)
    assert first
    tree.edit(first[0], first[0] + wrong)
    try:
        refused = tree.build()
        assert refused.returncode != 0
        line = next(x for x in refused.stderr.splitlines() if WHERE in x)
        assert re.search(rf"{WHERE}:\d+: in ip_rcv: ", line) and says in line, line
        assert "Traceback" not in refused.stderr
    finally:
        tree.edit(first[0] + wrong, first[0])


PROBE = """
from .._compile import Mem, byte, entry, path_function, put_le64, struct_at
from .headers import ethhdr, tcphdr


@path_function
def probe_sum(a: int, b: int) -> int:
    return a * 3 + b


@entry
def probe(m: Mem, out: Mem) -> None:
    eth, th = struct_at(ethhdr, m, 3), struct_at(tcphdr, m, 17)
    n = 0
    for v in (eth.h_dest.high, eth.h_source.low, eth.h_proto, th.source, th.seq, th.res1, th.doff, th.flags, th.check):
        put_le64(out, n, v)
        n += 8
    put_le64(out, n, probe_sum(eth.h_proto if th.doff else th.seq, th.dest if th.doff == 99 else th.source))
    eth.h_source.high, eth.h_source.low, eth.h_proto = 0x10203, 0xA1A2A3A4A5, 0x8100
    th.seq, th.ack_seq, th.doff, th.res1, th.check = -2, 1 << 31, 0x1B, 0x1C, 0x1234
    th.window += 1
"""


def test_a_header_reads_and_writes_compiled_as_plain(tree):
    """Fields of every kind, at odd addresses, with numbers too wide for them; a choice between two as an argument."""
    file = tree.root / "src/rxpath/abi/probe.py"
    file.write_text(f"{PROBE}    put_le64(out, 1024, {time.time_ns()})\n")          # no cache knows it, however often the tests have run
    try:
        ran = tree.run("from rxpath import boot; from rxpath._compile import pages; from rxpath.abi.probe import probe\n"
                       "def ran(f, view):\n"
                       "    m, out = pages(4096), pages(4096)\n"
                       "    m[:64] = bytes((i * 37 + 200) & 255 for i in range(64))\n"
                       "    f(view(m), view(out))\n"
                       "    return bytes(m[:64]), bytes(out[:80])\n"
                       "compiled, plain = ran(probe, lambda m: m), ran(probe.plain, memoryview)\n"
                       "assert compiled == plain, (compiled, plain)")
        assert ran.returncode == 0, ran.stderr
        assert compiled(ran.stderr) in (1, 2)           # probe itself; a cache may know what it calls
    finally:
        file.unlink()


def test_a_field_that_moves_costs_only_the_functions_that_name_it():
    """keys, without compiling: a function depends on what it names."""
    from rxpath._compile import depends, structs

    def f(record):
        return record.b

    @structs.struct()
    class one:
        a: structs.i64
        b: structs.i64
    def dependencies():
        return depends.dependencies(f, depends.fields_by_name())
    before = dependencies()
    assert repr(("one", "b", 8, "c_long:8")) in before

    @structs.struct()
    class other:
        c: structs.i64
    assert dependencies() == before, "a struct without such a field changes nothing"
    structs.STRUCTS.remove(other)

    @structs.struct()
    class two:
        b: structs.i32
    assert dependencies() != before
    structs.STRUCTS.remove(two)
    structs.STRUCTS.remove(one)


def test_a_struct_is_named_in_a_signature_not_laid_out():
    """Its layout is the business of those who name its fields: else each new field would compile everything again."""
    from rxpath._compile import depends, numba_types
    from rxpath.network.ip_input import ip_rcv
    assert depends.signature(numba_types.Declared(ip_rcv)) == "Net, int64, sk_buff, int64"


def test_old_units_go_only_when_nobody_has_used_them_for_an_hour(tmp_path):
    from rxpath._compile import build
    for name, age in (("a", 9000), ("b", 8000), ("c", 10), ("d", 5)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert build.known(tmp_path / "b") and not build.known(tmp_path / "e")
    build.tidy(tmp_path, 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "c", "d"]
