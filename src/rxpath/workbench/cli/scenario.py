"""`rxpath scenario list | show | run`: the scenario library."""
from __future__ import annotations

from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.html import HtmlOption, check_html, write_html

scenario_app = typer.Typer(no_args_is_help=True, help="The scenario library: what goes wrong, what cures it, what does not.",
                           epilog=examples("rxpath scenario run ring-burst"))
Name = Annotated[str, typer.Argument(metavar="NAME", help="A scenario, a rule (R14), or a file of your own (.toml).")]


@scenario_app.command("list", epilog=examples("rxpath scenario list"))
def scenario_list() -> None:
    """List the scenarios by their rules."""
    from rxpath.workbench.views import scenario as scenario_view
    from rxpath.workbench.views import terminal

    terminal.show(scenario_view.listed())


@scenario_app.command("show", epilog=examples("rxpath scenario show slow-program"))
def scenario_show(name: Name) -> None:
    """Print a scenario without running it."""
    from rxpath.workbench.scenarios import scenario
    from rxpath.workbench.views import scenario as scenario_view
    from rxpath.workbench.views import terminal

    terminal.show(scenario_view.shown(scenario.load(name)))


@scenario_app.command("run", epilog=examples(
    "rxpath scenario run slow-program",
    ("rxpath scenario run R1 --set ethtool.rx=1024", "one more setting beside the cure and the placebos"),
    ("rxpath scenario run slow-program --html lesson.html", "the same as a page with pictures"),
))
def scenario_run(name: Name,
                 set_: Annotated[list[str] | None, typer.Option(
                     "--set", metavar="KEY=VALUE", help="Try this too; all of them together are one more run.")] = None,
                 json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
                 html: HtmlOption = None,
                 no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False) -> None:
    """Run a scenario as it is, with its cure and with each placebo, and show before and after."""
    from rxpath.workbench.cli.progress import Bar, Interrupt
    from rxpath.workbench.scenarios import scenario
    from rxpath.workbench.views import scenario as scenario_view
    from rxpath.workbench.views import terminal

    s = scenario.load(name)
    check_html(html, name)
    with Interrupt() as interrupt, Bar(not no_progress, s.name) as bar:
        trial = scenario.run(s, tuple(set_ or ()), progress=bar, stop=interrupt, record=html is not None)
    if html:
        from rxpath.workbench.views.html import scenario as page

        write_html(html, lambda command: page.page(trial, command))
    if json_:
        typer.echo(scenario_view.described(trial))
    else:
        terminal.show(scenario_view.ran(trial))
