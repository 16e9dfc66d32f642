"""A drill changes a copy of the sources as ARCHITECTURE.md says, and runs it."""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


class Copy:
    """src/ of this repository, in a folder of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "_core.*"))

    def write(self, file: str, text: str) -> None:
        (self.folder / "src/rxpath" / file).write_text(text)

    def edit(self, file: str, old: str, new: str) -> None:
        """The first `old` in `file` becomes `new`."""
        path = self.folder / "src/rxpath" / file
        text = path.read_text()
        assert old in text, f"{file}: {old!r}"
        path.write_text(text.replace(old, new, 1))

    def run(self, script: str) -> str:
        """What the script prints, on the plain path of the copy."""
        done = subprocess.run([sys.executable, "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False,
                              env={**os.environ, "PYTHONPATH": str(self.folder / "src"), "RXPATH_PLAIN": "1"})
        assert done.returncode == 0, done.stderr
        return done.stdout
