"""Would a case notice?  Breaks the path in one place at a time and lets the real kernel judge it: some case must differ.

    sudo python tools/mutate_path.py --write docs/mutations.md      # all; root, Linux 6.18
    sudo python tools/mutate_path.py --only route                   # those whose file or function says route
    python tools/mutate_path.py --check                             # does every row still fit the source?

The rows are in path_mutations.py.  Each mutation is made in a copy of the source tree, of which only the changed function is compiled
again.  First the cases that it is likely to meet are run, then generated frames of a fixed seed, then all cases.  What differs has to
differ again when it is run alone.  A mutation that survives is a missing case, unless its row says why no case can notice it."""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from path_mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parent.parent
SEED, EXAMPLES, MANY = 618, 1000, 5
GENERATED = ("--examples", str(EXAMPLES), "--seed", str(SEED))
LIMIT_S = 900


class Result(NamedTuple):
    mutation: Mutation
    killed_by: str                      # the case, "" if it survived
    difference: str
    seconds: float
    source: str                         # the commit of the source that it was tried on


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

    def tried(self, m: Mutation) -> Result:
        file, started = self.package / m.file, time.monotonic()
        whole, text = file.read_text(), self.broken(m)
        file.write_text(text)
        try:
            first = [x for name in m.first.split(" | ") if name for x in ("--only", name)]
            case = (self.noticed(*first) if first else None) \
                or self.noticed("--only", "no case", *GENERATED) or self.noticed() or {"case": "", "differences": [""]}
        finally:
            file.write_text(whole)
        return Result(m, str(case["case"]), str(case["differences"][0]), time.monotonic() - started, self.source)     # type: ignore[index]

    def noticed(self, *arguments: str) -> dict[str, object] | None:
        """The first case of that run that differs, and differs again; where many do, once is enough."""
        found = self.judge(*arguments)
        if len(found) >= MANY:
            return found[0]
        for case in found:
            name = str(case["case"])
            asked = arguments if name.startswith("generated ") else ("--only", re.sub(r"([*?\[])", r"[\1]", name))
            if any(again["case"] == name for again in self.judge(*asked)):
                return case
        return None


def table(results: list[Result]) -> str:
    """docs/mutations.md."""
    survivors = [r for r in results if not r.killed_by]
    kernel = os.uname().release.split("-")[0]
    sources = ", ".join(f"{commit} ({n})" for commit, n in Counter(r.source for r in results).most_common())
    lines = ["# Mutations of the path, and the case that notices", "",
             f"`tools/mutate_path.py` on Linux {kernel}: {len(results)} mutations, one at a time, in a copy of the tree;",
             f"the real kernel judges each (`rxpath judge`, then {EXAMPLES:,} generated frames of seed {SEED}). "
             f"{len(survivors)} survive{'' if not survivors else ', the reason in the last column'}.",
             f"Tried on the source of commit {sources}.", "",
             "| place | was | becomes | first case that differs | difference |", "|---|---|---|---|---|"]
    for r in results:
        m = r.mutation
        cells = (f"{m.file}: {m.function}", f"`{m.old.strip()}`", f"`{m.new.strip()}`" if m.new.strip() else "-",
                 r.killed_by or "**none: survives**", r.difference[:90] if r.killed_by else m.survives)
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="TEXT", action="append", help="mutations whose file, function or line contains it")
    parser.add_argument("--write", metavar="FILE", help="the table, as Markdown")
    parser.add_argument("--check", action="store_true", help="only look whether every row fits the source")
    parser.add_argument("--state", metavar="FILE", help="what has been tried already, one JSON object a line: not tried again")
    asked = parser.parse_args()
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
        tree.known = {str(d["case"]) for d in (*tree.judge("--only", "no case", *GENERATED), *tree.judge())}
        for name in tree.known:                             # a case that waits may differ on a busy machine: it proves nothing
            print(f"differs without any mutation, and is not counted: {name}", flush=True)
        kept = {tuple(row["key"]): row for row in map(json.loads, Path(asked.state).read_text().splitlines())} \
            if asked.state and Path(asked.state).exists() else {}
        for m in chosen:
            if row := kept.get((m.file, m.function, m.old, m.new)):
                results.append(Result(m, row["case"], row["difference"], 0.0, row["source"]))
                continue
            results.append(r := tree.tried(m))
            if asked.state:
                with open(asked.state, "a") as state:
                    state.write(json.dumps({"key": [*m[:4]], "case": r.killed_by, "difference": r.difference,
                                            "source": r.source}) + "\n")
            what = f"{m.file}: {m.function}: {m.old.strip()[:50]!r} -> {m.new.strip()[:40]!r}"
            print(f"{r.seconds:5.0f} s  {what}: {r.killed_by or 'SURVIVES'}", flush=True)
            if asked.write:
                Path(asked.write).write_text(table(results))
    unexplained = sum(not r.killed_by and not r.mutation.survives for r in results)
    print(f"{len(results)} mutations, {sum(not r.killed_by for r in results)} survive, {unexplained} of them without a reason")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
