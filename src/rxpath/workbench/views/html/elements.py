"""Parts of the page: figures, tables, text that came from outside."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

WIDTH, LEFT, RIGHT = 960, 64, 16                            # of a picture: user units, and its margins
FIGURE = 20                                                 # what is longer is no figure, which stays on one line


def text(value: object) -> str:
    return escape(str(value))


def short(label: str, most: int) -> str:
    """What has room beside a bar."""
    return text(label if len(label) <= most else label[:most - 1].rstrip() + "…")


def heading(title: str, *saved: str, states: Iterable[str] = ()) -> str:
    """What the page says first: what is wrong, what would have saved it."""
    return f"<h1>{text(title)}</h1>" + "".join(f'<p class="state">{text(line)}</p>' for line in states) + \
        "".join(f'<p class="saved">{text(line)}</p>' for line in saved)


def figure(name: str, title: str, what: str, *parts: str) -> str:
    """what: one sentence that says what the picture shows, also for who cannot see it."""
    said = f'<figcaption><h2>{text(title)}</h2><p id="{name}-d">{text(what)}</p></figcaption>'
    return f'<figure id="{name}">{said}{"".join(parts)}</figure>\n'


def table(head: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1, tail: int = 0) -> str:
    """The first `words` columns and the last `tail` are words, the others figures."""
    wordy = [i < words or i >= len(head) - tail for i in range(len(head))]
    top = "".join(f'<th scope="col"{_word(wordy[i])}>{text(h)}</th>' for i, h in enumerate(head))
    body = "".join(f"<tr>{''.join(_cell(i, c, wordy[i]) for i, c in enumerate(row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(i: int, value: object, word: bool) -> str:
    if i == 0:
        return f'<th scope="row">{text(value)}</th>'
    return f"<td{_word(word or len(str(value)) > FIGURE)}>{text(value)}</td>"


def _word(word: bool) -> str:
    return ' class="word"' if word else ""


def numbers(title: str, inner: str, opened: bool = False) -> str:
    """A table behind its picture."""
    state = ' open=""' if opened else ""
    return f"<details{state}><summary>{text(title)}</summary>{inner}</details>"


def key(items: Iterable[tuple[str, str]]) -> str:
    """(class of the colour, what it stands for)"""
    return '<ul class="key">' + "".join(
        f'<li><svg width="14" height="14" aria-hidden="true"><rect class="{c}" width="14" height="14"/></svg> {text(what)}</li>'
        for c, what in items) + "</ul>"
