"""Put the compiled core, the manual page and the completion scripts into the wheel.  The core has no Python ABI: one wheel serves every
Python on the platform."""
import os
import pathlib
import sys
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def manuals(folder: pathlib.Path) -> list[tuple[pathlib.Path, str]]:
    """The manual page and the completion scripts, written into `folder`, each with its place below the prefix of an installation."""
    import typer

    from rxpath._version import __version__
    from rxpath.workbench.cli import completion, manual
    from rxpath.workbench.cli.app import app

    made = {"rxpath.1": (manual.page(typer.main.get_command(app), __version__), "share/man/man1/rxpath.1"),
            "rxpath.bash": (completion.script("bash"), "share/bash-completion/completions/rxpath"),
            "_rxpath": (completion.script("zsh"), "share/zsh/site-functions/_rxpath"),
            "rxpath.fish": (completion.script("fish"), "share/fish/vendor_completions.d/rxpath.fish")}
    folder.mkdir(exist_ok=True)
    for name, (text, _) in made.items():
        (folder / name).write_text(text)
    return [(folder / name, place) for name, (_, place) in made.items()]


class CoreHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":     # editable: the first run compiles, and again when sources change
            return
        os.environ["RXPATH_WHOLE"] = "1"                             # what ships is optimised as one program
        sys.path.insert(0, str(pathlib.Path(self.root) / "src"))
        from rxpath._compile import loader
        stem = pathlib.Path(self.root) / "build" / f"_core.{loader.key()}"
        core = stem.with_name(stem.name + ".so")
        if not core.exists():                                        # pip runs this twice: for the metadata, for the wheel
            core = loader.build(stem)
        build_data["force_include"][str(core)] = f"rxpath/{core.name}"
        for file, place in manuals(pathlib.Path(self.root) / "build"):
            build_data["shared_data"][str(file)] = place
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
