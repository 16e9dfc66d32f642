"""The pictures of docs/report.md and README: pages of the bundled capture, and of other results on it, as a browser shows them.

    python tools/report_picture.py [NAME ...] [--browser chromium]      # none: all of them"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH = 1000
# file: (height, arguments of rxpath)
FIRST = ("replay", "first")
SWEEP = ("sweep", "first", "--set", "net.core.rmem_default=212992..1703936", "--set", "ethtool.rx=64,4096")
PICTURES = {
    "first": (3900, FIRST), "top": (1000, FIRST), "sweep": (1150, SWEEP), "headroom": (1600, ("headroom", "first", "--limits", "2")),
    "diff": (1300, ("diff", "first", "first", "--set-b", "net.core.rmem_default=425984")),
    "scenario": (900, ("scenario", "run", "slow-program")),
}
FAILED = 1                                                  # rxpath diff: something differs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", choices=[*PICTURES, []], help="which")
    parser.add_argument("--browser", default="chromium")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in given.name or PICTURES:
            height, arguments = PICTURES[name]
            page = Path(folder) / f"{'_'.join(arguments[:2])}.html"
            if not page.exists():
                done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", *arguments, "--no-progress", "--html", str(page)],
                                      stdout=subprocess.DEVNULL, check=False)
                if done.returncode > FAILED:
                    raise SystemExit(f"rxpath {' '.join(arguments)} ended with {done.returncode}")
                page.write_text(page.read_text().replace(str(page), f"{arguments[0]}.html").replace(" --no-progress", ""))
            subprocess.run([given.browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                            f"--window-size={WIDTH},{height}", f"--user-data-dir={folder}/profile",
                            f"--screenshot={ROOT / 'docs/report' / name}.png", page.as_uri()], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
