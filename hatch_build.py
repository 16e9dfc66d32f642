"""Put the compiled core into the wheel.  It has no Python ABI: one wheel serves every Python on the platform."""
import os
import pathlib
import sys
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


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
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
