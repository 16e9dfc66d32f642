"""The main screens at 80 columns as pictures, docs/screens/*.svg, and the page that shows them:

    python tools/screens.py [FOLDER]

Each is the output of a command as a colour terminal shows it, cut to its first rows; rich draws it."""
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[1]
WIDTH = 80
# Contrast 4.5:1 and more on the background: black, red, green, yellow, blue, magenta, cyan, white, and their bright forms.
THEME = TerminalTheme((24, 26, 31), (216, 222, 233), [
    (24, 26, 31), (255, 123, 114), (126, 211, 133), (230, 192, 104), (121, 184, 255), (210, 168, 255), (118, 214, 224), (216, 222, 233)], [
    (150, 156, 168), (255, 150, 141), (150, 230, 157), (245, 213, 140), (158, 206, 255), (225, 195, 255), (150, 230, 238), (255, 255, 255)])


class Screen(NamedTuple):
    name: str
    command: str
    rows: int                                        # that are shown; the rest is said
    what: str
    skip: int = 0                                    # rows before the first that is shown


SCREENS = (
    Screen("replay", "rxpath replay first", 62, "Where every frame of a capture went, and how full the queues were."),
    Screen("knobs", "rxpath replay first", 62, "The same report further down: which settings would have saved the lost frames.", 100),
    Screen("over-time", "rxpath replay first --no-whatif --over-time", 44, "Queues, losses and CPUs over time.", 100),
    Screen("headroom", "rxpath headroom first", 30, "How much faster the traffic may come, and what gives way first."),
    Screen("sweep", "rxpath sweep first --set net.core.rmem_default=212992..3407872", 24, "A grid of settings, ranked."),
    Screen("doctor", "rxpath doctor before.txt after.txt", 40,
           "What a real host lost between two readings of its counters."),
    Screen("help", "rxpath --help", 80, "The commands."),
    Screen("topic", "rxpath help SOCKET_RCVBUFF", 30, "What a name in a report means."),
)


def output(command: str) -> list[str]:
    """Its lines, with colours."""
    env = {**os.environ, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color", "XDG_DATA_HOME": "/nonexistent"}
    env.pop("NO_COLOR", None)
    done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", *shlex.split(command)[1:]], cwd=ROOT / "docs/doctor", env=env,
                          capture_output=True, text=True, check=False, timeout=300)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"{command}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n").split("\n")


def svg(screen: Screen) -> str:
    lines = output(screen.command)
    shown = lines[screen.skip:screen.skip + screen.rows]
    more = len(lines) - screen.skip - len(shown)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi("\n".join([f"$ {screen.command}", *(["..."] if screen.skip else []), *shown,
                                            *([f"... {more} more lines"] if more > 0 else [])])))
    picture = console.export_svg(title=screen.command, theme=THEME, unique_id=f"rxpath-{screen.name}")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.S)      # no network: the reader's own monospace font
    return re.sub(r"font-family: ?Fira Code, monospace", "font-family: monospace", picture)


def page() -> str:
    parts = ["# Screens\n\nThe main screens in a terminal of 80 columns; `python tools/screens.py` makes them.\n"]
    for s in SCREENS:
        parts.append(f"## {s.what}\n\n```console\n$ {s.command}\n```\n\n![{s.what}](screens/{s.name}.svg)\n")
    return "\n".join(parts)


def main() -> None:
    docs = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    (docs / "screens").mkdir(parents=True, exist_ok=True)
    for screen in SCREENS:
        (docs / "screens" / f"{screen.name}.svg").write_text(svg(screen))
        print(docs / "screens" / f"{screen.name}.svg")
    (docs / "screens.md").write_text(page())


if __name__ == "__main__":
    main()
