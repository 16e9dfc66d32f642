"""One row for one fact: each row of abi/ is read by who it says, and nobody keeps a copy."""
import ast
import functools
import pathlib
import re

import pytest

from rxpath._compile import STRUCTS
from rxpath.abi import kernels
from rxpath.abi.kernels import BEHAVIOURS, KERNELS, Behaviour, Kernel, Sysctl
from rxpath.abi.mib import DevStat, Mib
from rxpath.abi.reasons import Drop, Kind
from rxpath.abi.sysctls import BY_NAME, SYSCTLS
from rxpath.boot import Booted
from rxpath.path import STATIONS, Stage
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import Simulation

SRC = pathlib.Path(__file__).parent.parent / "src" / "rxpath"
ROWS = ("kernels.py", "sysctls.py", "reasons.py", "mib.py")
CODE = {p: p.read_text() for p in SRC.rglob("*.py") if p.parent.name != "abi" or p.name not in ROWS}
NOT_READ = {Sysctl.udp_mem_1}                           # the limit of a pressure that UDP never feels


WIDE = {"rcv_saddr_hi", "from_addr_hi", "key_hi", "src_hi"}                          # upper halves of addresses: IPv4 has none
SEEN_BY_TESTS = {"naps", "empty_calls", "migrations", "watchdogs", "in_packets", "neigh_unres_discards", "neigh_res_failed"}
UNSAID = {"unwatched"}                          # connections beyond the table of waits (131,072): no result says so yet
STAYS_0 = {                                     # of lines that Linux prints whole: nothing here can move them
    "Ip_InDiscards", "Icmp_OutErrors", "Icmp_OutTimestampReps", "Udp_MemErrors",
    "rx_over_errors", "rx_crc_errors", "rx_nohandler", "tx_errors",
}
BY_PLACE = {"IpExt_InECT1Pkts", "IpExt_InECT0Pkts", "IpExt_InCEPkts"}               # InNoECTPkts and the two bits of ECN
BY_CARD = {"rx_length_errors", "rx_fifo_errors", "rx_missed_errors"}                # drivers/counters.py feeds them


@functools.cache
def named(kind):
    """Members of an enum that the code names."""
    return set().union(*(re.findall(rf"\b{kind.__name__}\.(\w+)", text) for text in CODE.values()))


def functions(names):
    """name -> sources of the functions of that name."""
    found = {}
    for text in CODE.values():
        for f in ast.walk(ast.parse(text)):
            if isinstance(f, ast.FunctionDef) and f.name in names:
                found.setdefault(f.name, []).append(ast.get_source_segment(text, f) or "")
    return found


def test_a_sysctl_is_read_by_the_function_that_its_row_names():
    found = functions({row.reader for row in SYSCTLS})
    for row in SYSCTLS:
        if row.reader:
            assert row.reader in found, f"{row.name}: no function {row.reader}"
            if row.knob is not None:
                read = any(re.search(rf"\bSysctl\.{row.knob.name}\b", text) for text in found[row.reader])
                assert read, f"{row.reader} does not read {row.name}"


def test_every_knob_has_a_row_and_a_reader():
    held = {knob for row in SYSCTLS for knob, _ in row.knobs(row.default_for("6.18", 250))}
    assert held | {Sysctl.jiffy_ns} == set(Sysctl)
    for knob in set(Sysctl) - NOT_READ:
        assert knob.name in named(Sysctl), f"nobody reads {knob.name}"


def read_in(texts):
    """Names that somebody reads: attributes that are no target of an assignment, and names in quotes."""
    nodes = [n for text in texts for n in ast.walk(ast.parse(text))]
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)} | \
        {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_every_field_of_a_struct_is_read():
    """One that is only written is work for nothing, unless a test looks at it."""
    texts = [p.read_text() for p in SRC.rglob("*.py")]
    read, text = read_in(texts), "\n".join(texts)
    for shape in (s for s in STRUCTS if f"\nclass {s.__name__}:" in text):          # tests declare others
        dead = {f for f, *_ in shape._fields_ if not f.startswith("_")} - read - WIDE - SEEN_BY_TESTS - UNSAID
        assert not dead, f"{shape.__name__}: nobody reads {', '.join(sorted(dead))}"
    assert not (SEEN_BY_TESTS | UNSAID) & read
    assert read_in(p.read_text() for p in pathlib.Path(__file__).parent.rglob("*.py")) >= SEEN_BY_TESTS


@pytest.mark.parametrize("kind", [Mib, DevStat])
def test_every_counter_is_moved_or_known_to_stay(kind):
    known = STAYS_0 | BY_PLACE | BY_CARD
    for member in kind:
        moved = member.name in named(kind)
        assert moved != (member.name in known), f"{member.name}: {'moves, and is listed' if moved else 'nobody moves it'}"


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_bare_boot_and_a_host_have_the_same_defaults(kernel):
    """netdev_budget_usecs is none of 3.10's, but its two jiffies are."""
    hz = KERNELS[kernel].hz
    bare = Booted(kernel=kernel, nskb=64, hz=hz, plain=True)
    sim = Simulation(hostfile.build({"kernel": kernel, "hz": hz}, "host"), plain=True)
    assert list(bare.net.sysctl) == list(sim.net.sysctl)
    assert bare.net.sysctl[Sysctl.rmem_max] == {"6.18": 4194304}.get(kernel, 212992)
    sim.close()


def test_a_default_has_its_date():
    row = BY_NAME["net.core.rmem_max"]
    assert [row.default_for(k, 250) for k in ("3.10", "5.15", "6.17", "6.18", "7.0")] == [212992, 212992, 212992, 4194304, 4194304]
    assert not BY_NAME["net.core.gro_normal_batch"].in_kernel("5.3") and BY_NAME["net.core.gro_normal_batch"].in_kernel("5.10")


# ---------------------------------------------------------------- behaviours and kernels
def test_every_behaviour_has_a_row_and_somebody_asks_for_it():
    assert set(BEHAVIOURS) == set(Behaviour)
    for b in Behaviour:
        assert b.name in named(Behaviour), f"nobody asks for {b.name}"


def test_a_profile_is_a_version_and_its_exceptions():
    assert Kernel("3.10", 1000).behaviours() == KERNELS["3.10"].behaviours()
    vendor = Kernel("3.10", 1000, {Behaviour.early_demux: 1}).behaviours()
    assert vendor[Behaviour.early_demux] == 1 and vendor[Behaviour.rx_lists] == 0


def test_every_behaviour_is_dated_so_that_a_further_kernel_costs_a_line():
    for version in ("3.18", "4.4", "4.14", "4.19", "5.4", "5.15", "6.1", "6.12"):
        assert set(Kernel(version, 250).behaviours()) == set(Behaviour)
    does = {v: Kernel(v, 250).behaviours()[Behaviour.ksoftirqd_first] for v in ("3.10", "4.8", "4.9", "6.1", "6.4", "6.5", "6.18")}
    assert [v for v, on in does.items() if on] == ["4.9", "6.1", "6.4"]


def test_only_the_judged_kernel_is_verified_and_every_report_says_so():
    from rxpath.workbench.run.replay import replay
    from rxpath.workbench.views import report

    assert [name for name, k in KERNELS.items() if k.verified] == ["6.18"] and all(k.whose for k in KERNELS.values() if not k.verified)
    run = replay("first", overrides=["kernel=5.15"], last=100)
    assert any("kernel 5.15 (unverified)" in line for line in report.header(run))
    assert not any("unverified" in line for line in report.header(replay("first", last=100)))


def test_the_nearest_profile_is_that_of_the_version_where_there_is_one():
    releases = ("6.12.5-1", "6.8.0-31-generic", "5.15.0", "5.4.0", "4.18.0-553.el8", "5.14.0-70.el9", "3.10.0-957.el7")
    assert [kernels.nearest(r)[0] for r in releases] == ["6.12", "6.8", "5.15", "5.4", "4.18", "5.14", "3.10"]
    assert kernels.nearest("6.11.0")[0] in ("6.12", "6.8") and kernels.nearest("4.4.0")[1]


def test_no_profile_is_known_by_name_outside_its_row():
    """Whoever needs to know asks for a behaviour, or for the date of a row."""
    for path, text in CODE.items():
        assert not re.search(r"""kernel\w* [!=]= ["'][36]\.""", text), path


def test_a_kernel_of_which_a_row_does_not_know_what_it_does_is_refused(monkeypatch):
    monkeypatch.setitem(BEHAVIOURS, Behaviour.rx_lists, kernels.Row(0, "by 6.18", 1, "seen"))
    kernels._behaviours.cache_clear()
    with pytest.raises(ValueError, match=r"5.15: when rx_lists changed is not known here; known: 6.18"):
        Kernel("5.15", 250).behaviours()
    with pytest.raises(ValueError, match=r"kernel 4.4 is not known here: 6.18, 6.12, 6.8, 6.1, 5.15, 5.14, 5.4, 4.18, 3.10"):
        Booted(kernel="4.4", nskb=64, plain=True)
    assert set(KERNELS) == {kernels.kernel(name).version for name in KERNELS}


# ---------------------------------------------------------------- drop reasons
def test_every_reason_is_given_somewhere_and_its_stations_exist():
    for reason in Drop:
        if reason != Drop.NOT_DROPPED_YET:
            assert reason.name in named(Drop), f"nobody gives {reason.name}"
        for station in reason.row.places:
            assert Stage[station] in STATIONS, station
    assert all(d.row.kind is Kind.DELIVERED or d.row.places for d in Drop if d)
