"""`--help` in little time: without the options of commands that are only listed, and without the parts of rich that it does not use."""
from __future__ import annotations

import copy
import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.models import CommandInfo

HELP = ("-h", "--help")
UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}    # a quarter of what is imported: markup is rich's own, not Markdown


def asks_for_the_list(argv: list[str]) -> bool:
    """Whether these words show the list of all commands."""
    return not argv or argv[0] in HELP


def listed(all_: typer.Typer) -> typer.Typer:
    """The same commands without options, which take long to look at: a list shows a name and a sentence."""
    one = copy.copy(all_)
    one.registered_commands = [_without_options(c) for c in all_.registered_commands]
    one.registered_groups = [copy.copy(g) for g in all_.registered_groups]
    for group in one.registered_groups:
        group.typer_instance = listed(group.typer_instance) if group.typer_instance is not None else None
    return one


def _without_options(command: CommandInfo) -> CommandInfo:
    def nothing() -> None:
        pass

    one = copy.copy(command)
    one.help = command.help or inspect.getdoc(command.callback)
    one.name = command.name or typer.main.get_command_name(getattr(command.callback, "__name__", ""))
    one.callback = nothing
    return one


def import_help() -> None:
    """Import the module that draws help, with stand-ins for what it imports and our help does not use.

    Each stand-in makes the real thing when it is called; nobody else sees them."""
    added = [name for name in UNUSED if name not in sys.modules]
    try:
        for name in added:
            sys.modules[name] = _stand_in(name, UNUSED[name])
        import_module("typer.rich_utils")
    except ImportError:                          # a release that takes more from them: as it would be without us
        pass
    finally:
        for name in added:
            del sys.modules[name]


def _stand_in(module: str, name: str) -> ModuleType:
    def make(cls: type, *args: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*args, **named)

    one = ModuleType(module)
    setattr(one, name, type(name, (), {"__new__": make}))
    return one
