"""docs/words.md: what a program can check of the texts that a user reads."""
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [p for p in sorted((ROOT / "src/rxpath").rglob("*.py")) if "_compile" not in p.parts]
PAGES = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if p.name != "words.md"]
TABLES = sorted((ROOT / "src/rxpath").rglob("*.toml"))
AVOIDED = (r"\bfor want of\b", r"\bwhole again\b", r"\bthe next likely\b", r"\bothers ask\b", r"\bas you said\b", r"\bbegin anew\b",
           r"\bbug of\b",
           r"\b(?:is|are) no (?:case|folder|capture|address|interface|network|number|text)\b", r"\bprograms? more\b", r"\bcannot be\"?$",
           r"\bwas to be had\b", r"\b(?:At|at) most so many\b", r"\bmade whole\b", r"\bsomething else than\b",
           r"\b1 (?:CPUs|frames|runs|seeds|threads|queues|datagrams)\b")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file that a user may read: of Python its strings but for docstrings, with {} for what is put in."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text().splitlines(), 1)
        return
    tree = ast.parse(path.read_text())
    inside = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body and isinstance(body[0], ast.Expr):
            inside.add(body[0].value)
        if isinstance(node, ast.JoinedStr):
            inside |= set(ast.walk(node)) - {node}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", [*SOURCES, *PAGES, *TABLES], ids=lambda p: str(p.relative_to(ROOT)))
def test_avoided_words_are_not_there(path):
    found = [f"{path.name}:{line}: {text.strip()[:100]!r}" for line, text in texts(path) for word in AVOIDED if re.search(word, text)]
    assert not found, "docs/words.md has other words:\n" + "\n".join(found)


def test_the_check_sees_what_it_should(tmp_path):
    file = tmp_path / "a.py"
    file.write_text('"""for want of a nail"""\nA = "lost for want of a descriptor"\nB = f"{A} is no case of {A}"\n')
    seen = [text for _, text in texts(file)]
    assert seen == ["lost for want of a descriptor", "{} is no case of {}"]
    assert all(any(re.search(word, text) for word in AVOIDED) for text in seen)


def test_options_of_help_are_sentences():
    """A full stop at their end; typer's texts are the second argument of an option."""
    from typer.main import get_command

    from rxpath.workbench.cli.app import app

    def walk(command, name):
        yield name, command
        for child, sub in getattr(command, "commands", {}).items():
            yield from walk(sub, f"{name} {child}")
    bad = [f"{name} {option.name}: {option.help}" for name, command in walk(get_command(app), "rxpath") for option in command.params
           if getattr(option, "help", None) and not option.help.rstrip().endswith((".", ":", ")"))]
    assert not bad, "\n".join(bad)
