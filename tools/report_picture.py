"""The picture of docs/report.md: the bundled capture's page, as a browser shows it.

    python tools/report_picture.py [chromium]"""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 1000, 2750


def main(browser: str = "chromium") -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "replay", "first", "--html", str(page)], check=True,
                       stdout=subprocess.DEVNULL)
        page.write_text(page.read_text().replace(str(page), "report.html"))
        subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}",
                        f"--user-data-dir={folder}/profile", f"--screenshot={ROOT / 'docs/report/first.png'}", page.as_uri()],
                       check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main(*sys.argv[1:])
