"""The document round the figures.  Its content policy lets in its own style sheet and script, by their hashes, and nothing
else."""
from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from rxpath._version import __version__
from rxpath.workbench.views.html.elements import text


@cache
def own(name: str) -> str:
    """A file of this folder."""
    return (Path(__file__).parent / name).read_text()


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def made_by(command: str) -> str:
    return f"<p>Made by <code>{text(command)}</code></p>" if command else ""


def document(title: str, body: str) -> str:
    """One self-contained file."""
    css, js = own("report.css"), own("report.js")
    policy = f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; base-uri 'none'; form-action 'none'"
    return f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">' \
           f'<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">' \
           f'<meta name="generator" content="rxpath {__version__}"><title>{text(title)}</title><style>{css}</style></head>\n' \
           f"<body><main>{body}</main><script>{js}</script></body></html>\n"
