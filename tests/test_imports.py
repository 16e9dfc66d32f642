"""Who imports whom, all of it: imports inside functions and those for types only count too.  No modules stand in a circle."""
import ast
import pathlib

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
    ("run/assemble.py", "rxpath.workbench.host.rules"): "most hosts have no rules to read",
    ("run/programs.py", "rxpath.workbench.traffic.service_times"): "few programs learn from a capture",
    ("run/simulation.py", "rxpath.vtime.program"): "only runs with Python programs",
    ("views/pictures.py", "matplotlib"): "heavy, and an extra",
    ("views/arrow.py", "pyarrow"): "heavy, and an extra",
    ("words/units.py", "difflib"): "only for mistakes",
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
