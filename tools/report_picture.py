"""The pictures of docs/report.md and README: the bundled capture's page, and its beginning, as a browser shows them.

    python tools/report_picture.py [chromium]"""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH, PICTURES = 1000, {"first.png": 2750, "top.png": 1000}       # heights


def main(browser: str = "chromium") -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "replay", "first", "--html", str(page)], check=True,
                       stdout=subprocess.DEVNULL)
        page.write_text(page.read_text().replace(str(page), "report.html"))
        for name, height in PICTURES.items():
            subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{height}",
                            f"--user-data-dir={folder}/profile", f"--screenshot={ROOT / 'docs/report' / name}", page.as_uri()],
                           check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main(*sys.argv[1:])
