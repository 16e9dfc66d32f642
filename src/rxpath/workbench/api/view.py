"""rxpath.View: what a user's own code shows of a result, in Python and with `rxpath replay --view`."""
from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.workbench.views import terminal
from rxpath.workbench.words import figures, units
from rxpath.workbench.words.mistakes import BadInput, one_line

GROUP = "rxpath.views"                                      # of entry points: the views that an installed package brings
Drawn: TypeAlias = str | Table | Sequence[Any]


class View:
    """A view of your own.  Subclass it and write draw().

        class Sockets(rxpath.View):
            title = "What each socket lost"

            def draw(self, run: rxpath.Outcome) -> rxpath.Drawn:
                rows = [(f"{s.proto} {s.port}", s.received, s.drops) for s in run.books.sockets]
                return self.table(("socket", "read", "lost"), rows)

    print(Sockets().text(run)) shows it in Python; `rxpath replay first --view mine.py:Sockets` shows it in place of the report.

    title  stands above it; none: nothing does"""

    title: str = ""

    def draw(self, result: Any) -> Drawn:
        """What is shown of the result of rxpath.replay() - of whatif(), sweep(), ..., where you give text() one: a text, a table(), or a
        list of these, one below the other.  It reads the result and changes nothing."""
        raise NotImplementedError(f"{type(self).__name__} has no draw(self, run)")

    def text(self, result: Any, width: int = terminal.WIDTH) -> str:
        """As plain text, `width` columns wide at most.  Raises BadInput for what draw() must not give; what it raises goes through."""
        return terminal.plain(self.shown(result), width)

    def shown(self, result: Any) -> Group:
        """What the terminal is given."""
        parts = _parts(self, self.draw(result))
        return terminal.titled(self.title, *parts) if self.title else Group(*parts)

    @staticmethod
    def table(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> Table:
        """Rows under the names of columns, the first `left` of them words, the others figures, which no terminal cuts.  Whole numbers
        get their commas, other numbers four digits, True and False are yes and no."""
        made = terminal.table(*columns, left=left)
        for n, row in enumerate(rows, 1):
            cells = list(row)
            if len(cells) != len(columns):
                raise BadInput(f"table: row {n} has {len(cells)} cells, and there are {len(columns)} columns")
            made.add_row(*(Text(_cell(cell)) for cell in cells))
        return made

    @staticmethod
    def ns(value: int) -> str:
        """A time as reports show it: 1,500 ns as 1.5 us."""
        return figures.ns(value)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _parts(view: View, drawn: object) -> list[Text | Table]:
    if isinstance(drawn, Table):
        return [drawn]
    if isinstance(drawn, str):
        return [Text(drawn)]
    if isinstance(drawn, (list, tuple)):
        return [part for one in drawn for part in _parts(view, one)]
    raise BadInput(f"view {type(view).__name__}: draw() gives {type(drawn).__name__}: a text, a table(), or a list of these is allowed")


# ---------------------------------------------------------------- --view
def find(name: str) -> View:
    """MODULE:CLASS, FILE.py:CLASS, or the name under which an installed package offers one.  Raises BadInput."""
    where, colon, what = name.rpartition(":")
    if not colon:
        return _made(name, _installed(name))
    if not where or not what:
        raise BadInput(f"--view {name}: must be MODULE:CLASS or FILE.py:CLASS")
    module = _module(name, where)
    offered = [k for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, View) and v is not View]
    if not hasattr(module, what):
        near = units.nearest(what, offered)
        raise BadInput(f"--view {name}: {where} has no {what}" + (f"; did you mean {near}?" if near else
                                                                  f"; its views: {', '.join(offered)}" if offered else ""))
    return _made(name, getattr(module, what))


def _made(name: str, found: object) -> View:
    if isinstance(found, type) and issubclass(found, View):
        kind = found
        try:
            found = kind()
        except Exception as error:
            raise BadInput(f"--view {name}: {kind.__name__}() raised {_said(error)}") from error
    if not isinstance(found, View):
        raise BadInput(f"--view {name}: is not an rxpath.View, but {type(found).__name__}")
    return found


def _module(name: str, where: str) -> Any:
    """Imported as `python -c 'import ...'` would here: the current folder counts."""
    try:
        if where.endswith(".py"):
            if not os.path.isfile(where):
                raise BadInput(f"--view {name}: {where}: no such file")
            spec = importlib.util.spec_from_file_location(os.path.basename(where)[:-3], where)
            assert spec is not None and spec.loader is not None
            module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return importlib.import_module(where)
    except BadInput:
        raise
    except ModuleNotFoundError as error:
        if error.name and (where == error.name or where.startswith(error.name + ".")):
            raise BadInput(f"--view {name}: there is no module {error.name}, neither here nor installed") from None
        raise BadInput(f"--view {name}: importing {where} raised {_said(error)}") from error
    except (Exception, SystemExit) as error:
        raise BadInput(f"--view {name}: importing {where} raised {_said(error)}") from error


def _installed(name: str) -> object:
    from importlib.metadata import entry_points

    every = {one.name: one for one in entry_points(group=GROUP)}
    if name not in every:
        near = units.nearest(name, list(every))
        others = f"did you mean {near}?" if near else ", ".join(sorted(every))
        raise BadInput(f"--view {name}: must be MODULE:CLASS or FILE.py:CLASS" + (f", or an installed one: {others}" if every else ""))
    try:
        return every[name].load()
    except Exception as error:
        raise BadInput(f"--view {name}: loading {every[name].value} raised {_said(error)}") from error


def drawn(name: str, view: View, result: Any) -> Group:
    """What a view that --view names shows; what it raises is one line."""
    try:
        return view.shown(result)
    except BadInput as error:
        raise BadInput(f"--view {name}: {one_line(error)}") from None
    except Exception as error:
        raise BadInput(f"--view {name}: draw() raised {_said(error)}") from error


def _said(error: BaseException) -> str:
    """KeyError: 'x' (mine.py:12), the last line of the user's that it passed."""
    at, place = error.__traceback__, ""
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if file != __file__ and not file.startswith("<frozen"):
            place = f" ({os.path.basename(file)}:{at.tb_lineno})"
        at = at.tb_next
    if isinstance(error, SyntaxError):
        place = f" ({os.path.basename(error.filename or '')}:{error.lineno})"
        return f"SyntaxError: {error.msg}{place}"
    return f"{type(error).__name__}: {one_line(error)}{place}"
