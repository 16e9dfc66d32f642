"""%{ Python }%: assertions on struct tcp_info, evaluated here and never handed to Python.

What may stand there: assert, assignments to names, if, print(), pass; numbers, text, lists; arithmetic, comparisons, and/or/not, % and
f-strings for messages; abs, bool, float, hex, int, len, max, min, round, str, sum. No import, no attribute, no loop, no other call: so it
always ends, and touches nothing."""
from __future__ import annotations

import ast
import operator
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from rxpath.workbench.packetdrill.missing import Differs, Missing

FUNCTIONS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (abs, bool, float, hex, int, len, max, min, round, str, sum)}
BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.RShift: operator.rshift,
    ast.LShift: operator.lshift}
COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b, ast.Is: operator.is_, ast.IsNot: operator.is_not}
UNARY: dict[type, Callable[[Any], Any]] = {ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos,
                                           ast.Invert: operator.invert}
LONGEST = 10_000                                        # characters, bits, items: of a value


class Snippets:
    """All code of one script: its names are shared.  printed: what it has printed."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.printed: list[str] = []

    def run(self, text: str, known: Mapping[str, Any]) -> None:
        """known: names beside those that the script has set.  Differs: an assertion fails; Missing: what is not evaluated here."""
        self.known = known
        try:
            tree = ast.parse(textwrap.dedent(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
            raise Missing("Python that can be read", getattr(e, "msg", None) or type(e).__name__) from None
        try:
            self._do(tree.body)
        except (Missing, Differs):
            raise
        except RecursionError:
            raise Missing("Python", "nested too deeply") from None
        except Exception as e:                          # of the script's own making: 1 / 0, 1 + "a"
            raise Differs(f"%{{ }}%: {type(e).__name__}: {e}") from None

    # ------------------------------------------------------------ statements
    def _do(self, body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.Assert):
                if not self._value(node.test):
                    said = f": {self._value(node.msg)}" if node.msg is not None else ""
                    raise Differs(f"assert {ast.unparse(node.test)}{said}")
            elif isinstance(node, ast.Assign) and all(isinstance(t, ast.Name) for t in node.targets):
                for target in node.targets:
                    self.names[target.id] = self._value(node.value)             # type: ignore[attr-defined]
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                name = ast.Name(node.target.id, ast.Load())
                self.names[name.id] = self._value(ast.BinOp(name, node.op, node.value))
            elif isinstance(node, ast.If):
                self._do(node.body if self._value(node.test) else node.orelse)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "print" \
                    and not node.value.keywords:
                self.printed.append(" ".join(str(self._value(a)) for a in node.value.args)[:LONGEST])
            elif isinstance(node, ast.Expr):
                self._value(node.value)
            elif not isinstance(node, ast.Pass):
                raise Missing("Python statement", ast.unparse(node).split("\n")[0][:60])

    # ------------------------------------------------------------ expressions
    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            return self._binary(node.op, self._value(node.left), self._value(node.right))
        if isinstance(node, ast.UnaryOp):
            return UNARY[type(node.op)](self._value(node.operand))
        if isinstance(node, ast.BoolOp):
            wanted = isinstance(node.op, ast.Or)
            value: Any = None
            for operand in node.values:
                value = self._value(operand)
                if bool(value) == wanted:
                    break
            return value
        if isinstance(node, ast.Compare):
            left = self._value(node.left)
            for op, item in zip(node.ops, node.comparators, strict=True):
                right = self._value(item)
                if not COMPARE[type(op)](left, right):
                    return False
                left = right
            return True
        if isinstance(node, ast.IfExp):
            return self._value(node.body if self._value(node.test) else node.orelse)
        if isinstance(node, ast.Tuple | ast.List):
            return (tuple if isinstance(node, ast.Tuple) else list)(self._value(item) for item in node.elts)
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            return self._value(node.value)[self._value(node.slice)]
        if isinstance(node, ast.JoinedStr):
            return "".join(str(self._value(part)) for part in node.values)
        if isinstance(node, ast.FormattedValue) and node.format_spec is None:
            return self._value(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords:
            return FUNCTIONS[node.func.id](*(self._value(a) for a in node.args))
        raise Missing("Python expression", ast.unparse(node)[:60])

    def _name(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        if name in self.known:
            return self.known[name]
        raise Missing("name in %{ }%", name)

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        """No value grows without limit."""
        if isinstance(op, ast.LShift) and not (isinstance(right, int) and right <= 256):
            raise Missing("Python", "a shift by more than 256")
        if isinstance(op, ast.Mult) and any(isinstance(x, str | list | tuple) for x in (left, right)):
            raise Missing("Python", "text or lists that are multiplied")
        if isinstance(op, ast.Mod) and isinstance(left, str) and re.search(r"%[^%a-zA-Z]*(\*|\d{3})", left):
            raise Missing("Python", "a width of more than 99 in a format")
        value = BINARY[type(op)](left, right)
        if (isinstance(value, int) and value.bit_length() > LONGEST) or (isinstance(value, str | list | tuple) and len(value) > LONGEST):
            raise Missing("Python", f"a value longer than {LONGEST:,}")
        return value
