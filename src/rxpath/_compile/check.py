"""A packet that may have been put off is nobody's any more: "the caller's last act", checked when the path is compiled.

A station that comes too early parks its packet and returns at once; the rest happens later.  So whoever calls it, and whoever calls
that one, has done with the packet: the call is returned, or it is the last statement on its way through the function.  A loop around
packets may go on if the first thing that it does is to ask whether it is still its turn: after parking it is not.

The marks stand where the functions are (functions.py): @last_act for what parks, @asks for the question, @verdict for a function
whose result says what became of the packet."""
import ast
import linecache
from collections.abc import Iterator
from typing import Any

from .functions import ASKS, FUNCTIONS, LAST_ACTS, VERDICTS


def mistakes(functions: dict[str, Any]) -> Iterator[tuple[Any, int, str]]:
    """Each call that is not its caller's last act: the caller, the line, what is wrong."""
    callers: dict[str, list[Any]] = {}
    for f in functions.values():
        for name in f.__code__.co_names:
            callers.setdefault(name, []).append(f)
    ends_so, todo = set(LAST_ACTS), list(LAST_ACTS)         # functions that end in parking, or may
    while todo:
        callee = todo.pop()
        for f in callers.get(callee, ()):
            for statement, after, call in calls(f, callee):
                name = f.__name__
                if is_last(statement, after, call):
                    if name not in ends_so and name not in VERDICTS:
                        ends_so.add(name)
                        todo.append(name)
                elif not asks_next(statement, after, call):
                    yield f, f.__code__.co_firstlineno + statement.lineno - 1, f"{callee}() may park the packet, so it is the last act, " \
                        "or the loop asks next whether it is still its turn"


def calls(f: Any, callee: str) -> Iterator[tuple[ast.stmt, ast.stmt | None, ast.Call]]:
    """Each call of that name in f: its statement, the next one on the way through f (None: there is none), and the call."""
    for statement, after in walk(parsed(f).body, None):
        for part in heads(statement):
            for node in ast.walk(part):
                if isinstance(node, ast.Call) and callee == called(node):
                    yield statement, after, node


def parsed(f: Any) -> ast.FunctionDef:
    """The function's own lines: to read whole files costs more than all the rest of the check."""
    code = f.__code__
    last = max(end or 0 for _, end, _, _ in code.co_positions())
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1:last]
    tree = ast.parse("".join(lines)).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return tree


def walk(body: list[ast.stmt], then: ast.stmt | None) -> Iterator[tuple[ast.stmt, ast.stmt | None]]:
    """Every statement with the one that is reached after it.  The end of a loop's body leads back to the loop, which then stands for it."""
    for i, statement in enumerate(body):
        after = body[i + 1] if i + 1 < len(body) else then
        yield statement, after
        inner = statement if isinstance(statement, ast.For | ast.While) else after
        for block in ("body", "orelse"):
            yield from walk(getattr(statement, block, []), inner)


def heads(statement: ast.stmt) -> Iterator[ast.AST]:
    """What of a statement is evaluated before the statements inside it."""
    for name, part in ast.iter_fields(statement):
        if name not in ("body", "orelse"):
            yield from (p for p in (part if isinstance(part, list) else [part]) if isinstance(p, ast.AST))


def called(call: ast.Call) -> str:
    """The name of what is called; through a dispatch with a constant key that is named as its handler: the handler's."""
    f = call.func
    name = f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""
    key = call.args[0] if name.startswith("call_") else None
    return key.attr if isinstance(key, ast.Attribute) and key.attr in FUNCTIONS else name


def is_last(statement: ast.stmt, after: ast.stmt | None, call: ast.Call) -> bool:
    """Returned, or nothing follows but a return of something that is known already."""
    if isinstance(statement, ast.Return):
        return statement.value is call
    if not (isinstance(statement, ast.Expr) and statement.value is call):
        return False
    return after is None or (isinstance(after, ast.Return) and (after.value is None or isinstance(after.value, ast.Constant | ast.Name)))


def asks_next(statement: ast.stmt, after: ast.stmt | None, call: ast.Call) -> bool:
    """A loop: the next thing is the question, and a return if it is too late."""
    if not (isinstance(statement, ast.Expr) and statement.value is call):
        return False
    if isinstance(after, ast.While) and isinstance(after.test, ast.Constant):       # while True: round again
        after = after.body[0]
    if isinstance(after, ast.Return) and isinstance(after.value, ast.IfExp):
        test: ast.expr = after.value.test
    elif isinstance(after, ast.If) and isinstance(after.body[0], ast.Return):
        test = after.test
    else:
        return False
    return isinstance(test, ast.Call) and called(test) in ASKS
