"""Captures of real programs' traffic that come with rxpath, each NAME.pcap with a NAME.md that says what is in it, how it was
recorded and what the real kernel lost.  `first` is the README's first command; tools/record_first_capture.py records it."""

from pathlib import Path


def path(name: str = "first") -> Path:
    """The file of the bundled capture `name`; FileNotFoundError lists those that exist."""
    here = Path(__file__).resolve().parent
    if (here / f"{name}.pcap").is_file():
        return here / f"{name}.pcap"
    bundled = [capture.stem for capture in here.glob("*.pcap")]
    raise FileNotFoundError(f"no bundled example {name!r}; there are: {', '.join(sorted(bundled)) or 'none'}")
