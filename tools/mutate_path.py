"""Would a case notice?  Breaks the path in one place at a time and lets the real kernel judge it: some case must differ.

    sudo python tools/mutate_path.py --write docs/mutations.md      # all; root, Linux 6.18
    sudo python tools/mutate_path.py --only route                   # those whose file or function says route
    python tools/mutate_path.py --check                             # does every row still fit the source?

The rows are in path_mutations.py.  Each mutation is made in a copy of the source tree, of which only the changed function is compiled
again.  First the cases that it is likely to meet are run - the one that noticed it in the table that --write names, and those of its row -,
then generated frames of a fixed seed, then all cases.  What differs has to differ again when it is run alone.  A row of TCP is first
held against what is written down of the kernel (tests/golden/tcp), by plain Python, which takes seconds; then generated conversations
come, too.  The judge's own device is a veth: what other drivers and threads do is noticed by tests, which a row names.  A mutation that
survives is a missing case or test, unless its row says why none can notice it."""
from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from path_mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parent.parent
SEED, EXAMPLES, MANY = 618, 1000, 5
GENERATED = ("--only", "no case", "--examples", str(EXAMPLES), "--seed", str(SEED))
TCP = ("transport/tcp", "transport/inet_connection_sock")            # rows of TCP
TCP_SEED, SEGMENTS = 620, 4000
CONVERSATIONS = ("--only", "no case", "--segments", str(SEGMENTS), "--seed", str(TCP_SEED))
LIMIT_S, TESTS_S = 900, 90             # the judge; a row's tests, which take a tenth of it: who waits for ever is noticed so


class Result(NamedTuple):
    mutation: Mutation
    killed_by: str                      # the case or the test, "" if it survived
    difference: str
    seconds: float
    source: str                         # the commit of the source that it was tried on
    together: bool = False              # with others, see Tree.together()


def source() -> str:
    """The last commit that changed src/rxpath, with a + if there are changes since."""
    def git(*arguments: str) -> str:
        asked = ["git", "-C", ROOT, *arguments, "--", "src/rxpath"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


def broken(package: Path, m: Mutation) -> str:
    """The file's text with the mutation in it."""
    text = (package / m.file).read_text()
    begin, stop = 0, len(text)
    if m.function:
        start = re.search(rf"^(?:    )?def {re.escape(m.function)}\(", text, re.M)
        if start is None:
            raise RuntimeError(f"{m.file} has no function {m.function}")
        begin = start.start()
        end = re.search(r"^(?:@|def |class |# -|    def |    @)", text[start.end():], re.M)
        stop = len(text) if end is None else start.end() + end.start()
    body = text[begin:stop]
    if body.count(m.old) != 1:
        raise RuntimeError(f"{m.file}: {m.function}: {m.old!r} stands there {body.count(m.old)} times")
    return text[:begin] + body.replace(m.old, m.new) + text[stop:]


def plainly(name: str) -> str:
    """A pattern that fits that case and no other."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def written_down(patterns: list[str]) -> int:
    """In a process of its own: conversations whose family or name fits one of the patterns, then all others, against tests/golden/tcp."""
    sys.path.insert(0, str(ROOT))
    from rxpath.workbench.judge.ours.machine import Ours
    from rxpath.workbench.judge.run import host_of
    from rxpath.workbench.judge.tcp import transcript
    from tests.workbench import test_tcp_written_down as golden

    cases = [(family, case) for family, case in golden.CASES if not case.not_built]
    cases.sort(key=lambda c: not any(fnmatchcase(text, p) for p in patterns for text in (c[0], c[1].name)))
    for family, case in cases:
        with Ours(plain=True) as ours:
            told = list(map(golden.unfolded, transcript.lines(case, ours.one(case, host_of(case)))))
        kernel = list(map(golden.unfolded, golden.written_down(family)[case.name]))
        if told != kernel:
            ours_says, kernel_says = next((a.strip(), b.strip()) for a, b in zip_longest(told, kernel, fillvalue="") if a != b)
            print(f"{case.name}\nours {ours_says}, kernel {kernel_says}")
            return 1
    return 0


class Tree:
    """The copy."""

    def __init__(self, root: Path) -> None:
        self.source = source()
        self.package = root / "src" / "rxpath"
        shutil.copytree(ROOT / "src" / "rxpath", self.package, ignore=shutil.ignore_patterns("_core.*", "__pycache__"))
        (root / "pyproject.toml").touch()
        self.env = {k: v for k, v in os.environ.items() if k not in ("RXPATH_WHOLE", "RXPATH_PLAIN")}
        self.env.update(PYTHONPATH=str(root / "src"), PYTHONDONTWRITEBYTECODE="1")
        self.root = root
        self.known: set[str] = set()

    def judge(self, *arguments: str) -> list[dict[str, object]]:
        """The cases that differ."""
        done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "judge", "--json", *arguments], env=self.env, cwd=self.root,
                              capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr.strip()[-500:])
        return [d for d in json.loads(done.stdout)["differences"] if d["case"] not in self.known]

    def broken(self, m: Mutation) -> str:
        return broken(self.package, m)

    def tried(self, m: Mutation, last: tuple[str, str] = ("", "")) -> Result:
        """last: the case that noticed it last time, and what differed."""
        file, started = self.package / m.file, time.monotonic()
        whole, text = file.read_text(), self.broken(m)
        file.write_text(text)
        try:
            if m.tests:
                case, difference = self.failed(m.tests)
            else:
                case, difference = self.differed(m, last)
        finally:
            file.write_text(whole)
        return Result(m, case, difference, time.monotonic() - started, self.source)

    def together(self, rows: list[tuple[Mutation, tuple[str, str]]]) -> list[Result]:
        """Rows of different functions, all in one tree and one run of the cases that noticed them last time: those that differ again in the
        same words as when the row was alone.  The others are to be tried alone."""
        started, files = time.monotonic(), {m.file: (self.package / m.file).read_text() for m, _ in rows}
        try:
            for m, _ in rows:
                (self.package / m.file).write_text(self.broken(m))
            found = {str(d["case"]): d["differences"] for d in self.judge(*(x for _, (case, _) in rows for x in ("--only", plainly(case))))}
        finally:
            for file, text in files.items():
                (self.package / file).write_text(text)
        seconds = (time.monotonic() - started) / len(rows)
        said = [(m, case, [str(d) for d in found.get(case, ()) if words and str(d).startswith(words)])       # type: ignore[attr-defined]
                for m, (case, words) in rows]
        return [Result(m, case, same[0], seconds, self.source, True) for m, case, same in said if same]

    def differed(self, m: Mutation, last: tuple[str, str]) -> tuple[str, str]:
        """The case that notices, and what it saw; "": none."""
        names, (case_then, said_then) = [name for name in m.first.split(" | ") if name], last
        tcp, once = m.file.startswith(TCP), plainly(case_then)
        if tcp and (found := self.written_down([once, *names] if once else names)):
            return found
        if once and not case_then.startswith(("generated ", "conversation ")):
            for found_again in self.judge("--only", once):
                said = str(found_again["differences"][0])                              # type: ignore[index]
                if said_then and said.startswith(said_then):                           # the same as then: that is twice
                    return case_then, said
        runs: list[tuple[str, ...]] = []
        if names:
            runs.append(tuple(x for name in names for x in ("--only", name)))
        for arguments in (*runs, GENERATED, *([CONVERSATIONS] if tcp else []), ()):
            if case := self.noticed(*arguments):
                return str(case["case"]), str(case["differences"][0])                  # type: ignore[index]
        return "", ""

    def written_down(self, patterns: list[str]) -> tuple[str, str] | None:
        """The first conversation over TCP that is not what is written down of the kernel."""
        done = subprocess.run([sys.executable, __file__, "--written-down", *patterns], env=self.env | {"RXPATH_PLAIN": "1"},
                              capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr.strip()[-500:])
        name, _, difference = done.stdout.strip().partition("\n")
        return (name, difference) if name else None

    def failed(self, tests: str) -> tuple[str, str]:
        """The first of these tests that fails, and how; "": none.  That they pass without the mutation has been seen."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider", *shlex.split(tests)]
        try:
            done = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=TESTS_S, check=False)
        except subprocess.TimeoutExpired:
            return shlex.split(tests)[0], f"not over after {TESTS_S} s"
        if done.returncode == 0:
            return "", ""
        said = done.stdout.splitlines()
        names = [line.split(" - ")[0].removeprefix("FAILED ") for line in said if line.startswith("FAILED ")]
        if done.returncode != 1 or not names:
            raise RuntimeError("\n".join(said[-20:]) + done.stderr.strip()[-500:])
        return names[0], next((line[1:].strip() for line in said if line.startswith("E ")), "")

    def noticed(self, *arguments: str) -> dict[str, object] | None:
        """The first case of that run that differs, and differs again; where many do, once is enough."""
        found = self.judge(*arguments)
        if len(found) >= MANY:
            return found[0]
        for case in found:
            name = str(case["case"])
            asked = arguments if name.startswith(("generated ", "conversation ")) else ("--only", plainly(name))
            if any(again["case"] == name for again in self.judge(*asked)):
                return case
        return None


def groups(rows: list[tuple[Mutation, tuple[str, str]]], most: int) -> list[list[tuple[Mutation, tuple[str, str]]]]:
    """Of rows that a named case noticed, as many at a time, no two of one function, of TCP or of one case."""
    made: list[list[tuple[Mutation, tuple[str, str]]]] = []
    for m, last in rows:
        if m.tests or m.file.startswith(TCP) or not last[0] or last[0].startswith(("generated ", "conversation ")):
            continue
        for group in made:
            if len(group) < most and not any((o.file, o.function) == (m.file, m.function) or l[0] == last[0] for o, l in group):
                group.append((m, last))
                break
        else:
            made.append([(m, last)])
    return made


def cells(m: Mutation) -> str:
    """The beginning of its line in the table."""
    def code(text: str) -> str:
        return "`" + text.strip().replace("\n", "\\n").replace("|", "\\|") + "`" if text.strip() else "-"
    return f"| {m.file}: {m.function} | {code(m.old)} | {code(m.new)} | "


def last_time(file: str | None) -> dict[str, tuple[str, str]]:
    """Beginning of a line -> the case that noticed and what differed, of the table in that file."""
    found = {}
    for line in Path(file).read_text().splitlines() if file and Path(file).exists() else ():
        parts = re.split(r" (?<!\\)\| ", line)
        if len(parts) == 5 and not parts[3].startswith("**"):
            case, said = (cell.removesuffix(" |").replace("\\|", "|") for cell in parts[3:])
            found[" | ".join(parts[:3]) + " | "] = case, said
    return found


def table(results: list[Result]) -> str:
    """docs/mutations.md."""
    survivors = [r for r in results if not r.killed_by]
    tested = sum(bool(r.mutation.tests) for r in results)
    several = sum(r.together and r.killed_by != "" for r in results)
    at_once = sum(r.together and not r.killed_by for r in results)
    kernel = os.uname().release.split("-")[0]
    sources = ", ".join(f"{commit} ({n})" for commit, n in Counter(r.source for r in results).most_common())
    lines = ["# Mutations of the path, and the case that notices", "",
             f"`tools/mutate_path.py` on Linux {kernel}: {len(results)} mutations in a copy of the tree, one at a time"
             + (f" but for {several}: of these as many as" if several else "."),
             *(["ten of different functions at a time, each noticed by the case and in the words of an earlier run alone."]
               if several else []),
             f"The real kernel judges {len(results) - tested} of them: `rxpath judge`, then {EXAMPLES:,} generated frames of seed {SEED};",
             "of TCP first what is written down of the kernel in tests/golden/tcp, and generated conversations.  The others are of",
             f"drivers that the judge does not have, and of threads: tests notice them.  {len(survivors)} survive"
             f"{'' if not survivors else ', the reason in the last column'}"
             f"{f'; {at_once} of them were in one tree, in which nothing differed' if at_once else ''}.",
             f"Tried on the source of commit {sources}.", "",
             "| place | was | becomes | first case that differs | difference |", "|---|---|---|---|---|"]
    for r in results:
        m = r.mutation
        lines.append(cells(m) + " | ".join(c.replace("|", "\\|") for c in (
            r.killed_by or "**none: survives**", r.difference[:90] if r.killed_by else m.survives)) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="TEXT", action="append", help="mutations whose file, function or line contains it")
    parser.add_argument("--write", metavar="FILE", help="the table, as Markdown")
    parser.add_argument("--check", action="store_true", help="only look whether every row fits the source")
    parser.add_argument("--together", type=int, default=1, metavar="N",
                        help="first so many at a time, by the cases of the table that --write names")
    parser.add_argument("--written-down", metavar="PATTERN", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--state", metavar="FILE", help="what has been tried already, one JSON object a line: not tried again")
    asked = parser.parse_args()
    if asked.written_down is not None:
        return written_down(asked.written_down)
    chosen = [m for m in MUTATIONS if not asked.only or any(t in f"{m.file} {m.function} {m.old}" for t in asked.only)]
    if asked.check:
        wrong = []
        for m in chosen:
            try:
                broken(ROOT / "src" / "rxpath", m)
            except (RuntimeError, OSError) as error:
                wrong.append(str(error))
        print("\n".join([*wrong, f"{len(chosen)} mutations, {len(wrong)} do not fit the source"]))
        return 1 if wrong else 0
    results: list[Result] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))       # the copy goes, and the judge is stopped first
    with tempfile.TemporaryDirectory(prefix="rxpath-mutate-") as folder:
        tree = Tree(Path(folder))
        for m in chosen:
            tree.broken(m)                                  # a mutation that no longer fits is said before anything runs
        if not all(m.tests for m in chosen):
            tree.known = {str(d["case"]) for d in (*tree.judge(*GENERATED), *tree.judge())}
        for name in tree.known:                             # a case that waits may differ on a busy machine: it proves nothing
            print(f"differs without any mutation, and is not counted: {name}", flush=True)
        before = last_time(asked.write)
        unbroken = {tests: tree.failed(tests) for tests in {m.tests for m in chosen if m.tests}}
        for tests, (name, difference) in unbroken.items():
            if name:
                raise RuntimeError(f"{tests}: {name} fails without any mutation: {difference}")
        kept = {tuple(row["key"]): row for row in map(json.loads, Path(asked.state).read_text().splitlines())} \
            if asked.state and Path(asked.state).exists() else {}
        left = [(m, before.get(cells(m), ("", ""))) for m in chosen if m[:4] not in kept]
        early = {r.mutation: r for group in groups(left, asked.together) if len(group) > 1 for r in tree.together(group)}
        for m in chosen:
            if row := kept.get(m[:4]):
                results.append(Result(m, row["case"], row["difference"], 0.0, row["source"], row.get("together", False)))
                continue
            r = early.get(m) or tree.tried(m, before.get(cells(m), ("", "")))
            results.append(r)
            if asked.state:
                with open(asked.state, "a") as state:
                    state.write(json.dumps({"key": m[:4], "case": r.killed_by, "difference": r.difference, "source": r.source,
                                            "together": r.together}) + "\n")
            what = f"{m.file}: {m.function}: {m.old.strip()[:50]!r} -> {m.new.strip()[:40]!r}"
            print(f"{r.seconds:5.0f} s  {what}: {r.killed_by or 'SURVIVES'}", flush=True)
            if asked.write:
                Path(asked.write).write_text(table(results))
    unexplained = sum(not r.killed_by and not r.mutation.survives for r in results)
    print(f"{len(results)} mutations, {sum(not r.killed_by for r in results)} survive, {unexplained} of them without a reason")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
