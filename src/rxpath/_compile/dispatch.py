"""Tables of handlers: where the kernel calls through a pointer, the path calls through a small integer.

A room declares a Dispatch with the signature of its handlers; stations register with its decorator; install() generates one readable
if chain for each Dispatch, which is itself a path function: 0-5 ns a packet, against 15 through addresses.  The number of a handler
is its place in the registry (or its key, for `by_key`), so that boot can fill softirq_vec, ptype_base, inet_protos with it."""
import linecache
from collections.abc import Callable
from typing import Any

from .functions import FUNCTIONS, NOINLINE, F

DISPATCHES: list["Dispatch"] = []


class Dispatch:
    """One kind of handler.  name: the generated function is call_<name>(handler, *params) -> int.  jump: handlers are long, or the call
    comes from several places: each stays a function of its own and the chain, which is nothing but jumps then, is inlined instead."""

    def __init__(self, name: str, params: dict[str, Any], by_key: bool = False, jump: bool = False) -> None:
        self.name, self.params, self.by_key, self.jump = name, params, by_key, jump
        self.handlers: list[tuple[Any, Any]] = []
        DISPATCHES.append(self)

    def __call__(self, key: Any) -> Callable[[F], F]:
        """Decorator: register the path function under `key`."""
        def put(f: F) -> F:
            self.handlers.append((key, f))
            if self.jump:
                NOINLINE.add(f.__name__)
            return f
        return put

    def __contains__(self, key: Any) -> bool:
        """Has anybody registered under `key`?"""
        return any(k == key for k, _ in self.handlers)

    def handler(self, key: Any) -> int:
        """The number of the handler that was registered under `key`."""
        if self.by_key:
            return int(key)
        keys = [k for k, _ in self.handlers]
        if key not in keys:
            raise ValueError(f"no {self.name} is called {key}: {', '.join(map(str, keys))}")
        return keys.index(key)

    def name_of(self, number: int) -> str:
        """The name of the function behind a number, '' for none: what boot prints."""
        for i, (key, f) in enumerate(self.handlers):
            if number == (int(key) if self.by_key else i):
                return str(f.__name__)
        return ""

    def function(self, module: str) -> Any:
        """call_<name>, as if it stood in that module."""
        source, file = self.generate(), f"<dispatch of {self.name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        space = {f.__name__: f for _, f in self.handlers} | {t.__name__: t for t in self.params.values()}
        space["__name__"] = module
        exec(compile(source, file, "exec"), space)
        return space[f"call_{self.name}"]

    def generate(self) -> str:
        args = ", ".join(self.params)
        numbered = [(int(key) if self.by_key else i, f.__name__) for i, (key, f) in enumerate(self.handlers)]
        lines = [f"    if handler == {i}: return {name}({args})\n" for i, name in numbered]
        return f"def call_{self.name}(handler: int, {', '.join(f'{n}: {t.__name__}' for n, t in self.params.items())}) -> int:\n" \
               + "".join(lines) + "    return -1\n"


def install(module: dict[str, Any], whole: bool) -> None:
    """All have registered: the handlers have their numbers, and `module` (the namespace of the room that all stations import) has
    call_<name> of every Dispatch: at once if whole, as who builds the core needs them; else each when it is asked for."""
    for d in DISPATCHES:
        d.handlers.sort(key=lambda h: (h[1].__module__, h[1].__name__, str(h[0])))      # numbers do not depend on who was imported first
    by_name = {f"call_{d.name}": d for d in DISPATCHES}

    def made(name: str) -> Any:
        if name not in by_name:
            raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
        FUNCTIONS[name] = module[name] = by_name[name].function(module["__name__"])
        return module[name]

    module["__getattr__"] = made                     # PEP 562
    if whole:
        for name in by_name:
            made(name)
