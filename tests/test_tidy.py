"""The house keeps its own rules: what a reader may rely on in every file."""
import ast
import functools
import io
import pathlib
import re
import tokenize

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "rxpath").rglob("*.py"))
ROOMS = ("abi", "backends", "cable", "drivers", "irq", "link", "network", "programs", "transport", "turn", "user", "vtime", "walltime",
         "workbench")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_opens_with_where_we_are_and_is_not_too_long(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a file opens with what it does, who calls it, whom it hands to"
    assert text.count("\n") <= 700, "split where Linux splits"
    for f in ast.walk(tree):
        if isinstance(f, ast.FunctionDef):
            assert (f.end_lineno or 0) - f.lineno < 90, f"{f.name} is longer than a screen"


def test_every_room_says_what_it_is():
    for room in ROOMS:
        assert len(ast.get_docstring(ast.parse((ROOT / "src/rxpath" / room / "__init__.py").read_text())) or "") > 40, room


def test_every_station_of_the_list_is_charged_in_the_code_and_lies_in_its_room():
    """path.STATIONS is the one list: docs, costs and trail are made from it, so it must be what the code does."""
    from rxpath.path import STATIONS, Stage
    names = {p: set(re.findall(r"\bStage\.(\w+)", p.read_text())) for p in SOURCES if p.name != "path.py"}
    for stage, station in STATIONS.items():
        named = [p for p, of_file in names.items() if stage.name in of_file]
        room = ROOT / "src/rxpath" / station.room
        inside = [p for p in named if p.is_relative_to(room) or p == room.with_suffix(".py")]
        assert inside, f"{stage.name} is not charged in {station.room}"
    used = set().union(*names.values()) - set(dir(type(Stage.HARDIRQ)))
    assert used <= {s.name for s in Stage}, used - {s.name for s in Stage}


def test_views_show_what_was_computed_elsewhere():
    """A figure that a view makes is one that JSON and the library do not have."""
    for path in sorted((ROOT / "src/rxpath/workbench/views").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            made = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert made not in ("sum", "Counter"), f"{path.name}:{node.lineno}: {made}() belongs where the result is"


def test_path_functions_read_no_clock_dice_or_files():
    for path in SOURCES:
        if path.relative_to(ROOT / "src" / "rxpath").parts[0] in ("abi", "drivers", "irq", "link", "network", "transport", "user"):
            assert not re.search(r"^\s*(import|from) (time|random|socket|secrets)\b", path.read_text(), re.M), path


def test_no_driver_is_known_by_name_outside_its_room():
    """Whoever needs to know asks the driver's row (drivers/rows.py): has_ring, has_interrupts, its limits."""
    from rxpath.drivers.counters import COUNTERS
    from rxpath.drivers.rows import ALIASES
    names, found = {*COUNTERS, *ALIASES} - {"lo"}, []
    for path in SOURCES:
        if "drivers" in path.parts or path.name in ("hosts.py",):            # the judge's hosts are veths
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in names:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.value}")
    assert not found
    rules = (ROOT / "src/rxpath/workbench/advice/rules.toml").read_text()
    assert not re.search(rf'fact = "({"|".join(names)})"', rules)


@functools.cache
def prose(path):
    """(line, text) of a page, or of a module's docstrings and comments."""
    text = path.read_text()
    if path.suffix == ".md":
        return list(enumerate(text.splitlines(), 1))
    lines = [(t.start[0], t.string) for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (said := ast.get_docstring(node, clean=False)):
            lines += [(getattr(node, "lineno", 1) + i, line) for i, line in enumerate(said.splitlines())]
    return lines


PROSE = [p for top in ("src", "docs", "tests", "benches", "tools") for p in sorted((ROOT / top).rglob("*")) if p.suffix in (".py", ".md")]
PROSE += [ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
FILES = [p.relative_to(ROOT).as_posix() for p in (*PROSE, *ROOT.rglob("*.toml"))]


def test_every_file_named_in_prose_exists():
    """A path as much of it as is written; NAME stands for any."""
    for path in PROSE:
        for line, text in prose(path):
            for name in re.findall(r"(?<![\w*{}/.-])((?:[\w.-]+/)*[\w-]+\.(?:py|md))\b(?!\.\w)", text):
                end = name.removeprefix("../")
                known = "NAME" in end or any(f"/{f}".endswith(f"/{end}") for f in (*FILES, "CHANGELOG.md", *OF_A_USER))
                assert known, f"{path.name}:{line}: {name}"


def test_every_sysctl_named_in_a_page_or_a_rule_has_a_row():
    from rxpath.abi.sysctls import BY_NAME
    for path in (*(p for p in PROSE if p.suffix == ".md"), ROOT / "src/rxpath/workbench/advice/rules.toml"):
        for name in re.findall(r"\bnet\.(?:core|ipv4)\.[a-z0-9_]+(?:\.[\w*]+)*", path.read_text().replace("{nic}", "eth0")):
            assert re.sub(r"conf\.[\w*]+\.", "conf.*.", name) in BY_NAME or name == "net.ipv4.conf.*", f"{path.name}: {name}"


# ---------------------------------------------------------------- functions, keys, tables and options that prose names
OF_LINUX = {"epoll_wait", "igb_reset", "ixgbe_hpbthresh", "memmove", "nanosleep", "page_frag_alloc_1k", "sendto"}      # and nobody's here
OF_A_USER = {"host.toml", "a.toml", "SPEC.toml", "burst.toml", "mix.toml", "clients.toml", "mine.toml", "server.toml",
             "server.py", "mine.py", "FILE.py"}                            # files that examples write
OTHER_TABLES = {"[[rule]]", "[knob.NAME]", "[host]", "[[traffic]]", "[[client]]", "[halt]"}   # of rules, scenarios, specs and profiles
OF_CODE = {"socket.socket", "cpu.now"}                       # no keys of a host file


def quoted(path, pattern):
    """(place, what a group of the pattern finds) within backquotes."""
    for line, text in prose(path):
        for inside in re.findall(r"`([^`]+)`", text):
            for found in re.findall(pattern, inside):
                yield f"{path.name}:{line}: {found}", found


def test_every_function_named_in_prose_exists():
    from rxpath.path import Stage
    known = OF_LINUX | {s.name for s in Stage}
    for file in (p for top in ("src", "tests", "tools", "benches") for p in (ROOT / top).rglob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        known |= {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        known |= {t.id for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    for path in PROSE:
        if path.name == "mutations.md":                      # quotes code, and tools/mutate_path.py holds it to the sources
            continue
        for place, name in quoted(path, r"^(?:[\w.]+\.)?(\w+)\(\)$"):
            assert name in known, place


def test_every_toml_file_named_in_prose_exists():
    for path in PROSE:
        for line, text in prose(path):
            for name in re.findall(r"(?<![\w*{}/.-])((?:[\w.-]+/)*[\w-]+\.toml)\b(?!\.\w)", text):
                end = name.removeprefix("../")
                assert end.rsplit("/")[-1] in OF_A_USER or any(f"/{f}".endswith(f"/{end}") for f in FILES), f"{path.name}:{line}: {name}"


def keys_of(model):
    """(keys of a table, tables in it) by their names in a host file."""
    from pydantic import BaseModel
    inner = {}
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        inner[field.alias or name] = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return inner


def test_every_table_and_key_of_the_host_file_named_in_prose_exists():
    from rxpath.workbench.host.model.host import Host
    tables = keys_of(Host)
    for path in PROSE:
        for place, name in quoted(path, r"^(\[+[\w.]+\]+)$"):
            assert name in OTHER_TABLES or name.strip("[]").split(".")[0] in tables, place
    rooms = {room: keys_of(model) for room, model in tables.items() if model is not None}
    keys = {room: {*inner, *(key for table in inner.values() if table is not None for key in keys_of(table))}
            for room, inner in rooms.items()}
    seen = 0
    for path in (p for p in PROSE if p.suffix == ".md"):
        for place, name in quoted(path, r"^([a-z_]+\.[\w.-]+)(?:=.*)?$"):
            room, *steps = name.split(".")
            if room in keys and name not in OF_CODE and steps[-1] not in ("py", "md", "toml") and not steps[0].isdigit():
                seen += 1
                assert keys[room] & set(steps), place
    assert seen > 10


def test_every_option_named_in_prose_exists():
    code = [p for top in ("src", "tools", "benches") for p in (ROOT / top).rglob("*.py")]
    declared = {option for p in code for option in re.findall(r'"(--[a-z][\w-]*)"', p.read_text())}
    for path in PROSE:
        for place, name in quoted(path, r"(?<![\w-])(--[a-z][\w-]+)"):
            assert name in declared | {"--help"}, place
