"""packetdrill's language, google dialect, from text to script.Script.

    script  := option* shell? event+ shell?
    event   := time (packet | call | shell | code)
    time    := '+'S | S | '*' | S'~'S | '+'S'~''+'S
    call    := ['...'S] name '(' expression, ... ')' '=' expression [ERRNO '(' words ')'] ['(' words ')']

Packets: parse_packet.py."""
from __future__ import annotations

from collections.abc import Mapping

from rxpath.files import read_file
from rxpath.workbench.packetdrill.parse_packet import packet
from rxpath.workbench.packetdrill.scan import scan
from rxpath.workbench.packetdrill.script import (
    Action,
    Any_,
    Apply,
    Array,
    Call,
    Code,
    Event,
    Expression,
    Number,
    Or,
    Script,
    ScriptError,
    Shell,
    Struct,
    Text,
    When,
    Word,
)
from rxpath.workbench.packetdrill.tokens import Tokens
from rxpath.workbench.words.mistakes import BadInput

LARGEST = 1 << 20                                       # bytes of a script
DEEPEST = 50                                            # expressions in expressions


def read(path: str, defined: Mapping[str, str] | None = None) -> Script:
    """The script of a file."""
    try:
        raw = read_file(path, LARGEST)
    except OSError as e:
        raise BadInput(f"{path}: {e.strerror or e}") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError as e:
        raise BadInput(f"{path}: byte {e.start} is not UTF-8 text") from None
    return parse(path, text, defined)


def parse(name: str, text: str, defined: Mapping[str, str] | None = None) -> Script:
    """name: of the file, for errors."""
    t = Tokens(name, scan(name, text, defined))
    given = options(t)
    words = {value.partition("=")[0]: value.partition("=")[2] for _, key, value in given if key == "define" and value}
    if words:                                           # they hold for the whole script
        t = Tokens(name, scan(name, text, {**words, **(defined or {})}))
        options(t)
    init = shell(t)
    events, cleanup = [], None
    while t.next.kind not in ("end", "shell"):
        events.append(event(t))
    if events:
        cleanup = shell(t)
        if not t.ended:
            t.fail(f"a shell line without a time ends a script; after it comes {t.next}")
    if not events:
        t.fail("no event: a script is lines like `+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3`")
    return Script(name, given, init, tuple(events), cleanup)


def shell(t: Tokens) -> tuple[int, str] | None:
    if t.next.kind != "shell":
        return None
    token = t.take()
    return token.line, token.text


def options(t: Tokens) -> tuple[tuple[int, str, str | None], ...]:
    """--name=value lines at the head."""
    found = []
    while t.next.kind == "option":
        token = t.take()
        value = None
        if t.skip("="):
            value = t.take().text
            if t.skip("="):                             # --define=NAME=VALUE
                right = t.take()
                quote = {"string": '"', "shell": "`"}.get(right.kind, "")
                value = f"{value}={quote}{right.text}{quote}"
        found.append((token.line, token.text[2:], value))
    return tuple(found)


# ---------------------------------------------------------------- events
def event(t: Tokens) -> Event:
    line = t.next.line
    when = time(t)
    what = action(t)
    leaves = not isinstance(what, Call | Shell | Code) and not what.inbound
    if when.kind == "any" and not leaves:
        raise ScriptError(t.name, line, "time * is only for packets that leave")
    if when.until is not None and not leaves:
        raise ScriptError(t.name, line, "a range of times is only for packets that leave")
    if isinstance(what, Call) and what.ends is not None and what.ends < when.at:
        raise ScriptError(t.name, line, f"{what.name}() would end before it begins")
    return Event(line, when, what)


def time(t: Tokens) -> When:
    if t.skip("*"):
        return When("any")
    relative = t.skip("+")
    at, until = t.time(), None
    if t.skip("~"):
        if relative:
            t.need("+", "range of times")
        until = t.time()
        if until < at:
            t.fail("the range of times ends before it begins")
    return When("relative" if relative else "absolute", at, until)


def action(t: Tokens) -> Action:
    token = t.next
    if token.kind == "shell":
        return Shell(t.take().text)
    if token.kind == "code":
        return Code(t.take().text.strip(" \t"))
    if t.is_("<") or t.is_(">"):
        return packet(t)
    if token.kind in ("word", "ellipsis"):
        return call(t)
    t.fail(f"expected a packet (< or >), a system call, a `shell line` or %{{ Python }}%, found {token}")


def call(t: Tokens) -> Call:
    ends = None
    if t.next.kind == "ellipsis":
        t.take()
        ends = t.time()
    name = t.of("word", "system call").text
    t.need("(", f"{name}()")
    arguments = () if t.is_(")") else expressions(t, 0)
    t.need(")", f"{name}()")
    t.need("=", f"result of {name}()")
    result = expression(t)
    errno = note = None
    if t.next.kind == "word" and t.ahead().text == "(":
        errno = t.take().text
        note = words(t)
    if t.is_("("):
        note = words(t)
    return Call(name, arguments, result, ends, errno, note)


def words(t: Tokens) -> str:
    """(Operation now in progress)"""
    t.need("(", "note")
    found = []
    while not t.is_(")"):
        if t.next.kind not in ("word", "int", "sign"):
            t.fail(f"note: expected ')', found {t.next}")
        found.append(t.take().text)
    t.take()
    return " ".join(found)


# ---------------------------------------------------------------- expressions
def expressions(t: Tokens, depth: int) -> tuple[Expression, ...]:
    found = [expression(t, depth)]
    while t.skip(","):
        found.append(expression(t, depth))
    return tuple(found)


def expression(t: Tokens, depth: int = 0) -> Expression:
    """a | b | c"""
    if depth > DEEPEST:
        t.fail(f"brackets more than {DEEPEST} deep")
    left = single(t, depth)
    while t.skip("|"):
        left = Or(left, single(t, depth))
    return left


def single(t: Tokens, depth: int) -> Expression:
    token = t.next
    if token.kind == "ellipsis":
        t.take()
        return Any_()
    if token.kind in ("int", "hex"):
        return Number(t.number("number", (1 << 64) - 1, -(1 << 63)))
    if token.kind == "string":
        return text(t)
    if token.kind == "word":
        t.take()
        if t.skip("("):
            arguments = () if t.is_(")") else expressions(t, depth + 1)
            t.need(")", f"{token.text}()")
            return Apply(token.text, arguments)
        return Word(token.text)
    if t.skip("["):
        items = () if t.is_("]") else expressions(t, depth + 1)
        t.need("]", "list")
        return Array(items)
    if t.skip("{"):
        found = braces(t, depth + 1)
        t.need("}", "struct")
        return found
    t.fail(f"expected a value, found {token}")


def text(t: Tokens) -> Text:
    """Strings beside each other are one; `...` behind the last: it only begins so."""
    found = t.take().text
    while t.next.kind == "string":
        found += t.take().text
    if t.next.kind == "ellipsis":
        t.take()
        return Text(found, more=True)
    return Text(found)


def braces(t: Tokens, depth: int) -> Expression:
    """{name=value, ...} with its names, or {value, ...}."""
    if t.is_("}"):
        return Array(())
    sized = t.ahead().text == "(" and t.ahead(3).text == ")" and t.ahead(4).text == "="
    if t.next.kind != "word" or not (sized or t.ahead().text == "="):
        return Array(expressions(t, depth))
    fields: dict[str, Expression] = {}
    sizes: dict[str, Expression] = {}
    while True:
        name = t.of("word", "name in a struct")
        if name.text in fields:
            t.fail(f"{name.text} is there twice", name)
        if t.skip("("):
            sizes[name.text] = expression(t, depth)
            t.need(")", name.text)
        t.need("=", name.text)
        fields[name.text] = expression(t, depth)
        if not t.skip(","):
            return Struct(fields, sizes)

