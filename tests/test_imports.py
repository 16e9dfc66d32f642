"""Who imports whom, all of it: imports inside functions and those for types only count too.  No modules stand in a circle."""
import ast
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).parent.parent / "src"
FILES = sorted((SOURCE / "rxpath").rglob("*.py"))
MODULES = {".".join(p.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES}


def imports(text: str, module: str, is_package: bool) -> set[str]:
    """Modules that a text imports; a name that is no module is of the module before it."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[:len(module.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return found & set(MODULES) - {module}


def circles(graph: dict[str, set[str]]) -> list[frozenset[str]]:
    """Sets of modules each of which reaches all others: strongly connected components (Tarjan)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    open_ones: list[str] = []
    found = []

    def visit(module: str) -> None:
        number[module] = low[module] = len(number)
        open_ones.append(module)
        for other in graph[module]:
            if other not in number:
                visit(other)
            if other in open_ones:
                low[module] = min(low[module], low[other])
        if low[module] == number[module]:
            at = open_ones.index(module)
            if len(open_ones) - at > 1:
                found.append(frozenset(open_ones[at:]))
            del open_ones[at:]

    for module in graph:
        if module not in number:
            visit(module)
    return found


def test_a_circle_is_seen_however_it_is_hidden():
    late = "def f():\n    from .b import g\n"
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from rxpath.turn import x\n"
    assert imports(late.replace(".b", ".turn"), "rxpath.skb", False) == imports(typed, "rxpath.skb", False) == {"rxpath.turn"}
    assert imports("from . import setup\nfrom ..abi.net import Net\nimport json\n", "rxpath.link.dev", False) == {
        "rxpath.link.setup", "rxpath.abi.net"}
    assert imports("from .vtime import engine", "rxpath", True) == {"rxpath.vtime.engine"}
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [{"a", "b", "c"}]


def test_no_modules_import_each_other():
    graph = {module: imports(p.read_text(), module, p.name == "__init__.py") for module, p in MODULES.items()}
    assert len(graph) > 200 and sum(map(len, graph.values())) > 1000
    assert circles(graph) == []


LATE = {                                             # the command line imports what a command needs when it runs; below it only these
    ("api/doctor.py", "rxpath.workbench.views.html"): "only notebooks draw results",
    ("api/many.py", "rxpath.workbench.views.html"): "the same",
    ("api/replay.py", "rxpath.workbench.views.html"): "the same",
    ("host/given.py", "rxpath.workbench.host.snapshot.compose"): "few hosts come from a case",
    ("host/given.py", "rxpath.workbench.readings.case"): "the same",
    ("host/sysctl_conf.py", "rxpath.workbench.readings.lines"): "few hosts name a sysctl.conf",
    ("host/sysctl_conf.py", "rxpath.workbench.readings.records"): "the same",
    ("host/sysctl_conf.py", "rxpath.workbench.readings.sysctl"): "the same",
    ("run/assemble.py", "rxpath.network.ip_tables_setup"): "most hosts have no rules to read",
    ("run/assemble.py", "rxpath.workbench.host.iptables.flat"): "the same",
    ("run/assemble.py", "rxpath.workbench.host.rules"): "the same",
    ("run/books.py", "rxpath.network.ip_tables_setup"): "the same",
    ("run/programs.py", "rxpath.workbench.traffic.service_times"): "few programs learn from a capture",
    ("run/replay.py", "rxpath.workbench.run.lost_flows"): "few runs are recorded",
    ("run/replay.py", "rxpath.workbench.run.trail"): "few runs watch single packets",
    ("run/replay.py", "rxpath.workbench.traffic"): "a capture needs no generator",
    ("run/replay.py", "rxpath.workbench.traffic.spec"): "the same",
    ("run/replay.py", "rxpath.workbench.run"): "few runs have traffic of the user's own",
    ("run/replay.py", "rxpath.workbench.run.own_traffic"): "the same",
    ("jobs/unit.py", "rxpath.workbench.run.own"): "few runs have programs of the user's own",
    ("api/view.py", "importlib.metadata"): "few runs have a view that somebody installed",
    ("run/learning.py", "rxpath.workbench.traffic.service_times"): "many captures hold no replies",
    ("run/simulation.py", "rxpath.vtime.program"): "only runs with Python programs",
    ("run/simulation.py", "rxpath.workbench.run"): "only runs that are recorded",
    ("traffic/capture.py", "rxpath.workbench.traffic.spec"): "a capture is no spec",
    ("traffic/spec.py", "rxpath.workbench.traffic.clients"): "few specs have clients, and a file of frames needs no driver of time",
    ("views/pictures.py", "matplotlib"): "heavy, and an extra",
    ("many/tuning/ask.py", "optuna"): "heavy, and an extra",
    ("views/spent.py", "csv"): "few runs write samples",
    ("views/arrow.py", "pyarrow"): "heavy, and an extra",
    ("words/units.py", "difflib"): "only for mistakes",
    ("run/pcap_filter.py", "cypcap"): "an extra, where the system has no libpcap",
    ("jobs/where.py", "rxpath.workbench.jobs.cluster"): "an extra: a cluster",
    ("jobs/cluster.py", "distributed"): "an extra: a cluster",
    ("jobs/parcel.py", "distributed"): "an extra: a cluster",
}


def test_below_the_command_line_late_imports_are_few_and_have_a_reason():
    workbench = SOURCE / "rxpath" / "workbench"
    found = set()
    for p in sorted(workbench.rglob("*.py")):
        if not p.is_relative_to(workbench / "cli"):
            for function in ast.walk(ast.parse(p.read_text())):
                for node in ast.walk(function) if isinstance(function, ast.FunctionDef) else ():
                    if isinstance(node, ast.ImportFrom):
                        found.add((str(p.relative_to(workbench)), node.module))
                    elif isinstance(node, ast.Import):
                        found |= {(str(p.relative_to(workbench)), alias.name.split(".")[0]) for alias in node.names}
    assert found == set(LATE)


# ---------------------------------------------------------------- what a small replay does not use is not loaded
NOT_LOADED = {
    "rxpath._compile.build", "rxpath._compile.check", "rxpath.abi.generate", "rxpath.cable.generate",
    "rxpath.cable.generator", "rxpath.cable.write", "rxpath.drivers.ixgbe_ethtool",
    "rxpath.drivers.ixgbe_probe", "rxpath.drivers.veth_link", "rxpath.drivers.virtio_ethtool", "rxpath.network.ip_tables_setup",
    "rxpath.programs.face", "rxpath.programs.sockets", "rxpath.vtime.program", "rxpath.walltime.burst", "rxpath.walltime.driver",
    "rxpath.walltime.engine", "rxpath.workbench.advice.rules", "rxpath.workbench.advice.search", "rxpath.workbench.host.iptables.flat",
    "rxpath.workbench.host.iptables.ruleset", "rxpath.workbench.host.rules", "rxpath.workbench.host.text", "rxpath.workbench.jobs.unit",
    "rxpath.workbench.judge.run", "rxpath.workbench.many.sweep", "rxpath.workbench.run.recording", "rxpath.workbench.run.trail",
    "rxpath.workbench.scenarios.scenario", "rxpath.workbench.traffic.spec", "rxpath.workbench.views.recording", "numba", "numpy",
    "multiprocessing", "tomlkit", "rich.progress", "asyncio", "jsonschema",
}
LOADED = """
import sys

import pytest
from rxpath.workbench.cli.app import run
run({arguments!r})
print(*sorted(sys.modules), file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """Modules that a process has loaded which ran the command."""
    done = subprocess.run([sys.executable, "-c", LOADED.format(arguments=list(arguments))], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_a_small_replay_does_not_load_what_it_does_not_use():
    assert {n for n in NOT_LOADED if n.startswith("rxpath.")} <= set(MODULES)
    found = loaded("replay", "first", "--no-whatif")
    assert "rxpath.drivers.igb_main" in found and "rxpath.drivers.ixgbe_main" in found
    assert not found & NOT_LOADED


def test_help_loads_nothing_of_the_path():
    found = {n for n in loaded("--help") if n.startswith("rxpath.")}
    assert found and not {n for n in found if not n.startswith(("rxpath.workbench", "rxpath.workbench.cli"))}
    assert {n.split(".")[2] for n in found if n.count(".") > 1} == {"cli"}


@pytest.mark.parametrize("words", [["--help"], [], ["replay", "-h"], ["host", "--help"]], ids=" ".join)
def test_help_loads_nothing_of_rich_and_typer_that_it_does_not_use(words):
    found = loaded(*words)
    assert "typer.rich_utils" in found
    assert not found & {"rich.markdown", "rich.traceback", "markdown_it", "ctypes"}
    assert ("pydantic" in found) == (words not in (["--help"], []))          # typer looks at options with it


def test_a_process_that_runs_the_path_gives_handlers_the_numbers_that_the_core_was_built_with():
    """Which modules boot imports then is a rule about their names (boot.CONTROL): nobody who registers must bear such a name."""
    code = "import rxpath.boot as b; from rxpath._compile import DISPATCHES; b.link_path({}); " \
           "print({{d.name: [f.__name__ for _, f in d.handlers] for d in DISPATCHES}})"
    few, all_ = (subprocess.run([sys.executable, "-c", code.format(whole)], capture_output=True, text=True, check=True).stdout
                 for whole in ("False", "True"))
    assert few == all_ and few.count("[") > 30
