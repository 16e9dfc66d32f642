"""The examples at the end of a command's help."""
from __future__ import annotations


def examples(*shown: str | tuple[str, str], more: str = "") -> str:
    """Each a command, or a command and what it does, which then stands on a line of its own: lines of any length fit any terminal."""
    lines = ["Example:" if len(shown) == 1 else "Examples:"]
    for one in shown:
        command, what = (one, "") if isinstance(one, str) else one
        lines.append(f"[cyan]{_as_text(command)}[/]")
        if what:
            lines.append(f"    {_as_text(what)}")
    return "\n".join(lines + ([_as_text(more)] if more else []))


def _as_text(text: str) -> str:
    """Square brackets are ours, not rich's."""
    return text.replace("[", "\\[")
