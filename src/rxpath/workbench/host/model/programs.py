"""Sockets and the programs that read them, as a host file describes them: [[socket]], [[app]]."""
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator

from rxpath.abi.capture import MAX_TIME
from rxpath.abi.limits import NSOCK, NTHREAD
from rxpath.workbench.host import cbpf
from rxpath.workbench.toml_in.tables import CPUS_MAX, Duration, Flag, Int, Part, Pinned, Size, Wrong, entry_name, key, texts
from rxpath.workbench.words import units

THREADS_MAX, SOCKETS_MAX = NTHREAD, NSOCK
BACKLOG = 4096                                              # SOMAXCONN of 5.4 and later


def endpoint(text: object, *, ports: bool = False) -> list[tuple[int, int]]:
    """(address, port) of "10.0.0.1:5000", "*:5000" or ":5000"; with `ports` also of a range "10.0.0.1:5000-5099"."""
    allowed = '"10.0.0.1:5000"' + (', "*:5000" or a range "0.0.0.0:5000-5099"' if ports else "")
    if not isinstance(text, str):
        raise ValueError(allowed)
    if text.startswith("["):
        raise ValueError(f"{allowed}; IPv6 is not modelled yet")
    host, colon, port = text.rpartition(":")
    first, dash, last = port.partition("-")
    if not colon or not all(p.isascii() and p.isdigit() and len(p) <= 5 for p in (first, *([last] if dash else []))):
        raise ValueError(allowed)
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= 65535 or (dash and not ports):
        raise ValueError(f"{allowed}, ports 1 to 65535")
    address = 0 if host in ("", "*") else units.ipv4(host)
    return [(address, number) for number in range(low, high + 1)]


class Socket(Part):
    """A socket that a program has opened.  A range of ports or several addresses open one socket each, in this order."""

    name: str = key(..., "what applications and --set call it; default socketN", "letters, digits, - and _ (1 to 64)", example='"dns"')
    proto: Literal["udp", "tcp"] = key("udp", "tcp is a listener; connections wait in its accept queue", "udp or tcp")
    bind: Annotated[tuple[str, ...], BeforeValidator(texts)] = key(
        ..., "address and port, or several", '"10.0.0.1:5000", "*:5000", a range "0.0.0.0:5000-5099", or a list of these',
        example='"0.0.0.0:53"')
    connect: str | None = key(None, "peer of a connected socket", 'an address and port such as "10.0.0.2:4000"', example='"10.0.0.2:4000"')
    rcvbuf: Size | None = key(None, "argument of SO_RCVBUF: limited to rmem_max, then doubled; none: rmem_default", units.SIZE_ALLOWED,
                              example='"4MiB"')
    rcvbufforce: Size | None = key(None, "argument of SO_RCVBUFFORCE: only doubled", units.SIZE_ALLOWED, example='"16MiB"')
    reuseaddr: Flag = key(False, "SO_REUSEADDR", "true or false")
    reuseport: Flag = key(False, "SO_REUSEPORT", "true or false")
    bindtodevice: str | None = key(None, "SO_BINDTODEVICE", "an interface name", example='"eth0"')
    join: Annotated[tuple[str, ...], BeforeValidator(texts)] = key((), "IP_ADD_MEMBERSHIP on the NIC",
                                                                    'a list of groups such as ["239.1.1.1"]',
                                                                    example='["239.1.1.1"]')
    multicast_all: Flag = key(True, "IP_MULTICAST_ALL: also groups that others joined", "true or false", "[M]")
    udp_gro: Flag = key(False, "UDP_GRO", "true or false", "5.0 [K]")
    incoming_cpu: Int | None = key(None, "SO_INCOMING_CPU", "a CPU, 0 to cpus - 1", "4.4 [K]", ge=0, lt=CPUS_MAX, example="0")
    attach_reuseport_cbpf: str | None = key(
        None, "SO_ATTACH_REUSEPORT_CBPF: a program that chooses the socket of the group, instead of the flow's hash", cbpf.ALLOWED,
        "4.5 [K]", example='"random"')
    attach_filter: str | None = key(
        None, "SO_ATTACH_FILTER: a program that sees each datagram or segment from its UDP or TCP header on and returns how many "
        "bytes of it the socket takes, 0: none", cbpf.FILTER, example='"1,6 0 0 65535"')
    timeout: Duration | None = key(None, "SO_RCVTIMEO; none: wait for ever", units.DURATION_ALLOWED, example='"400ms"')
    backlog: Int = key(BACKLOG, "tcp: argument of listen(), at most net.core.somaxconn", "0 to 2147483647", ge=0, le=(1 << 31) - 1)
    defer_accept: Int = key(0, "tcp: TCP_DEFER_ACCEPT in seconds: accept() waits for data; 0: off", "0 to 3600", ge=0, le=3600)
    busy_poll: Duration | None = key(None, "SO_BUSY_POLL; none: net.core.busy_read", units.DURATION_ALLOWED, "3.11 [K]", example='"50us"')

    _check_name = field_validator("name", mode="before")(entry_name)

    @field_validator("bind")
    @classmethod
    def _bind(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("at least one address and port")
        for item in value:
            endpoint(item, ports=True)
        return value

    @field_validator("connect", mode="before")
    @classmethod
    def _connect(cls, value: object) -> object:
        if value is not None and endpoint(value)[0][0] == 0:
            raise ValueError('an address and port such as "10.0.0.2:4000"')
        return value

    @field_validator("join")
    @classmethod
    def _join(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if units.ipv4(item) >> 28 != 14:
                raise ValueError(f"{item} is not a multicast group (224.0.0.0/4)")
        return value

    @field_validator("attach_reuseport_cbpf")
    @classmethod
    def _program(cls, value: str | None) -> str | None:
        if value is not None:
            cbpf.program(value, 1)
        return value

    @field_validator("attach_filter")
    @classmethod
    def _filter(cls, value: str | None) -> str | None:
        if value is not None:
            cbpf.written(value)
        return value

    @field_validator("busy_poll")
    @classmethod
    def _busy_poll(cls, value: int | None) -> int | None:
        if value is not None and value % 1000:
            raise ValueError("whole microseconds")
        return value

    @model_validator(mode="after")
    def _of_tcp(self) -> Self:
        for name, set_here in (("backlog", self.backlog != BACKLOG), ("defer_accept", self.defer_accept)):
            if self.proto != "tcp" and set_here:
                raise Wrong(name, 'is for proto = "tcp"')
        return self

    def endpoints(self) -> list[tuple[int, int]]:
        """(address, port) of each socket, in the order of binding."""
        return [pair for item in self.bind for pair in endpoint(item, ports=True)]


def _durations(value: object) -> object:
    return (value,) if isinstance(value, (str, int)) and not isinstance(value, bool) else value


TO_THE_END = units.DURATION_ALLOWED + f"; virtual time ends after {MAX_TIME // 86_400_000_000_000} days"
TIMES = 'a time "2us", or { exponential = "2us" }, { list = [...] }, { file = "..." }'


def _time_or_table(value: Any) -> Any:
    """A time alone is the same each time; a list is a list."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return {"constant": value}
    if isinstance(value, (tuple, type([]))):
        return {"list": value}
    return value


class Times(Part):
    """Times by one law."""

    constant: Duration | None = key(None, "the same each time", units.DURATION_ALLOWED, example='"2us"')
    exponential: Duration | None = key(None, "exponentially distributed with this mean", units.DURATION_ALLOWED, example='"2us"')
    list: Annotated[tuple[Duration, ...], BeforeValidator(_durations)] | None = key(
        None, "these, over and over", "a list of times", example='["1us", "5us"]', min_length=1, max_length=1 << 20)
    file: str | None = key(None, "the same from a file, one time on each line", "a path", example='"times.txt"')

    _short = model_validator(mode="before")(_time_or_table)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(item is not None for item in (self.constant, self.exponential, self.list, self.file)) != 1:
            raise ValueError("exactly one of constant, exponential, list and file")
        return self


class Service(Part):
    """What the application does with one datagram: it works, then it may sleep.  `service = "2us"` is short for constant;
    `{ work = ..., sleep = ... }` names the two."""

    constant: Duration | None = key(None, "work, the same each time", units.DURATION_ALLOWED, example='"2us"')
    exponential: Duration | None = key(None, "work, exponentially distributed with this mean", units.DURATION_ALLOWED, example='"2us"')
    list: Annotated[tuple[Duration, ...], BeforeValidator(_durations)] | None = key(
        None, "work, these, over and over", "a list of times", example='["1us", "5us"]', min_length=1, max_length=1 << 20)
    file: str | None = key(None, "the same from a file, one time on each line", "a path", example='"times.txt"')
    capture: str | None = key(None, "the same, learned from a capture of both directions: from each request to the receiver's own reply, "
                                    "or from its port's reply before, if that is later", "a path", example='"times.pcap"')
    waits: Flag = key(False, "with capture: a reply's time beyond what the quickest took is no work but waiting, asleep; where replies "
                             "overtake each other the times are those from each request to its reply", "true or false")
    sleep: Times | None = key(None, "sleep after the work, with nanosleep(): it uses no CPU, and takes up to 50us more (timer slack)",
                              TIMES, example='"50us"')
    by_clock: Flag = key(False, "the work ends when so much time has passed, whatever interrupts and other threads took of it: a loop that "
                                "looks at its clock", "true or false")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        value = _time_or_table(value)
        if not isinstance(value, dict):
            return value
        if "work" in value:
            work, rest = _time_or_table(value["work"]), {k: v for k, v in value.items() if k != "work"}
            if not isinstance(work, dict) or set(rest) - {"sleep", "by_clock"}:
                raise ValueError('work is ' + TIMES + '; beside it there are only sleep and by_clock')
            return {**work, **rest}
        return value if set(value) != {"sleep"} else {"constant": 0, **value}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(item is not None for item in (self.constant, self.exponential, self.list, self.file, self.capture)) != 1:
            raise ValueError("exactly one of work, constant, exponential, list, file and capture, and sleep")
        if self.waits and (self.capture is None or self.sleep is not None):
            raise ValueError("waits says that what a capture teaches is in part sleep: it takes capture beside it, and no sleep")
        if self.by_clock and (self.waits or self.sleep is not None):
            raise ValueError("by_clock is a program that computes: no sleep and no waits beside it")
        return self


class Stops(Part):
    """When a program does not run."""

    every: Duration | None = key(None, "from the beginning of one to the beginning of the next", TO_THE_END, le=MAX_TIME, example='"2s"')
    for_: Duration | None = key(None, "how long each is; shorter than every", TO_THE_END, le=MAX_TIME, alias="for", example='"200ms"')
    start: Duration | None = key(None, "when the first begins; none: at a random moment of the first `every`, by the seed", TO_THE_END,
                                 le=MAX_TIME, example='"1s"')
    file: str | None = key(None, "instead: begin and length of each, such as 1.5s,200ms, one on each line, in their order", "a path",
                           example='"pauses.csv"')

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.file is not None:
            if self.every is not None or self.for_ is not None or self.start is not None or "random" in self.model_fields_set:
                raise ValueError("file says when and how long: no every, for, start and random beside it")
            return self
        if self.every is None or self.for_ is None:
            raise ValueError('needs every and for, such as { every = "2s", for = "200ms" }, or file')
        if not self.for_:
            raise ValueError("for is 0: at least 1ns")
        if self.for_ >= self.every:
            raise ValueError(f"for ({units.duration_text(self.for_)}) must be shorter than every ({units.duration_text(self.every)})")
        return self


class Pause(Stops):
    """A time in which the program stands still: it reads nothing, its socket stays open."""

    random: Flag = key(False, "distances and lengths are exponential with those means", "true or false")
    busy: Flag = key(False, "it computes meanwhile, each thread on its CPU (a garbage collector); else it uses no CPU", "true or false")


class Restart(Stops):
    """A time in which there is no such program: its sockets are closed, and what was in them is gone."""


OTHER_TCP = "tcp:*"                                         # of app.sockets


class App(Part):
    """A program that reads sockets."""

    name: str = key(..., "name; default appN", "letters, digits, - and _ (1 to 64)", example='"server"')
    sockets: Annotated[tuple[str, ...], BeforeValidator(texts)] = key(
        ("*",), 'names of the sockets it reads; "*" is every socket, also those that a replay opens by itself (TCP listeners have threads '
                'of their own then); "tcp:*" is every TCP listener that no other program names, and connections that programs of this host '
                'opened',
        "a list of socket names",
        example='["dns"]')
    threads: Int = key(1, "threads", "1 to 1024", ge=1, le=THREADS_MAX)
    cpu: Pinned = key(
        (), 'CPUs of the threads in turn; none: thread i on CPU i modulo cpus; "any": not pinned, a wake-up may move it',
        'a CPU, CPUs, or "any"', example="[1]")
    service: Service = key(Service(constant=0), "time that it works on each datagram, and sleeps",
                           'a time "2us", or { exponential = "2us" }, { list = [...] }, '
                           '{ file = "..." }, { capture = "..." }, { work = "2us", sleep = "1ms" }', example='"2us"')
    pause: Pause | None = key(None, "times in which it stands still, all its threads, whatever they do",
                              '{ every = "2s", for = "200ms" } or { file = "pauses.csv" }', example='{ every = "2s", for = "200ms" }')
    restart: Restart | None = key(None, "times from its end to its next start: its sockets are closed", 'as pause, without random and busy',
                                  example='{ every = "1h", for = "3s" }')
    batch: Int = key(1, "datagrams for each call: 1 is recvfrom, more is recvmmsg", "1 to 1024", "[K] UIO_MAXIOV", ge=1, le=1024)
    waitforone: Flag = key(False, "MSG_WAITFORONE: recvmmsg returns with what there is after the first", "true or false")
    wait: Literal["auto", "recv", "epoll", "poll", "busy"] = key(
        "auto", "how it waits: in recv, epoll (level), poll, or busy with MSG_DONTWAIT; auto is recv for one socket, else epoll",
        "auto, recv, epoll, poll or busy")
    epoll: Annotated[tuple[Literal["edge", "exclusive"], ...], BeforeValidator(texts)] = key(
        (), "how it watches with epoll: edge is EPOLLET, exclusive EPOLLEXCLUSIVE; none: level-triggered", "edge, exclusive",
        example='["edge"]')
    shared_epoll: Flag = key(False, "its threads wait in one epoll instance; else each has its own", "true or false")
    nice: Int = key(0, "niceness", "-20 to 19", ge=-20, le=19)
    buffer: Size = key(65536, "bytes that it offers to each call; a longer datagram is cut (MSG_TRUNC)", units.SIZE_ALLOWED,
                       "ours: nothing is cut")
    flags: Annotated[tuple[Literal["MSG_DONTWAIT", "MSG_PEEK", "MSG_TRUNC"], ...], BeforeValidator(texts)] = key(
        (), "flags of each call", "MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC", example='["MSG_TRUNC"]')
    own_sockets: Flag = key(False, "each thread opens its sockets itself, with SO_REUSEPORT", "true or false")
    divide_sockets: Flag = key(False, "its sockets are divided among its threads in turn; else each thread reads all of them",
                               "true or false")
    message: Size = key(0, "bytes of a message on a TCP connection: service is for each of them; 0: what one read brings is one",
                        units.SIZE_ALLOWED, example='"4KiB"')
    closes: Int = key(0, "messages of a TCP connection after which it closes; 0: when the peer has. Needs message", "0 to 1000000", ge=0,
                      le=1_000_000)
    per_kib: Duration = key(0, "time that it works on each 1,024 bytes of a TCP connection, beside service", units.DURATION_ALLOWED,
                            example='"150ns"')
    fault: Duration = key(0, "of a TCP connection: how long a call waits for a page of its buffer that is not in memory (a major fault); "
                             "it owns the connection meanwhile", units.DURATION_ALLOWED, example='"2ms"')
    fault_every: Int = key(0, "after so many calls that read one waits for a page; 0: never. Needs fault", "0 to 1000000", ge=0,
                           le=1_000_000)
    start: Duration = key(0, "when it first reads", units.DURATION_ALLOWED)

    _check_name = field_validator("name", mode="before")(entry_name)

    @model_validator(mode="after")
    def _whole_faults(self) -> Self:
        if bool(self.fault) != bool(self.fault_every):
            raise Wrong("fault", "goes with fault_every: how long, and how often")
        return self

    @model_validator(mode="after")
    def _whole_messages(self) -> Self:
        if self.closes and not self.message:
            raise Wrong("closes", "counts messages: message says how long one is")
        return self
