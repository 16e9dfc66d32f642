"""Programs that choose the member of a SO_REUSEPORT group (SO_ATTACH_REUSEPORT_CBPF): what they see of a datagram, what each instruction
does, which programs the kernel refuses.  A program's choice is the same on both sides, datagram by datagram; only a CPU's number and random
numbers are not."""
from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

from rxpath.abi import filter as bpf
from rxpath.user.filter import ALU, JUMPS, bpf_check_classic
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Bind, Case, Close, Connect, Observation, Open, Send, SetOpt, Step
from rxpath.workbench.judge.cases.receivers import FLOWS, PLAIN, SOURCE, done, flows, members, sock, who

ATTACH, DETACH = "SO_ATTACH_REUSEPORT_CBPF", "SO_DETACH_REUSEPORT_BPF"
LD, LDX, ALU_K, ALU_X, JMP, RET_A, RET_K = bpf.BPF_LD, bpf.BPF_LDX, bpf.BPF_ALU, bpf.BPF_ALU | bpf.BPF_X, bpf.BPF_JMP, 0x16, 0x06
W, H, B, ABS, IND = bpf.BPF_W, bpf.BPF_H, bpf.BPF_B, bpf.BPF_ABS, bpf.BPF_IND
MEMBERS = 4
Instruction = tuple[int, int, int, int]
SEED, PROGRAMS = 618, 60


def code(*program: Instruction) -> bytes:
    return b"".join(struct.pack("=HBBI", c, jt, jf, k & 0xFFFFFFFF) for c, jt, jf, k in program)


def of(*program: Instruction) -> bytes:
    """The program, and what it leaves in A modulo the group."""
    return code(*program, (ALU_K | bpf.BPF_MOD, 0, 0, MEMBERS), (RET_A, 0, 0, 0))


def load(size: int, k: int, mode: int = ABS) -> Instruction:
    return LD | size | mode, 0, 0, k


def chosen(seen: Observation) -> dict[str, Any]:
    return {str(flow): id_ for flow, id_ in sorted(who(seen, "p").items())}


def answers(seen: Observation) -> dict[str, Any]:
    return {**chosen(seen), "answers": [a for _, a in seen.answers]}


def only_answers(seen: Observation) -> dict[str, Any]:
    return {"answers": [a for _, a in seen.answers], "came": len(who(seen, "p"))}


def spread(seen: Observation) -> dict[str, Any]:
    """Of random numbers: everybody gets some."""
    got = who(seen, "p")
    return {"all came": len(got) == FLOWS, "members": len(set(got.values()))}


def one(seen: Observation) -> dict[str, Any]:
    return {"members": len(set(who(seen, "p").values())), "all came": len(who(seen, "p")) == FLOWS}


def group(name: str, *steps: Step, view: Any = chosen) -> Case:
    every = (*members("g", MEMBERS), *steps, *done("g", range(MEMBERS)))
    return Case(f"reuseport program: {name}", "transport", PLAIN, every, SOURCE, shared=True, view=view)


def runs(name: str, program: bytes, *more: Step, view: Any = chosen) -> Case:
    return group(name, SetOpt("g.2", ATTACH, program), *(more or (flows("p"),)), view=view)


def choices() -> Iterator[Case]:
    yield runs("a byte of the payload", of(load(B, 3)))
    yield runs("two bytes", of(load(H, 2)))
    yield runs("four bytes, as a big-endian number", of(load(W, 0)))
    yield runs("its length", of((LD | W | bpf.BPF_LEN, 0, 0, 0)), Send(tuple(
        f.udp_frame(f"p {i} ".encode() + b"x" * (i % 9), sport=40000 + i) for i in range(FLOWS))))
    yield runs("always the last member", code((RET_K, 0, 0, 3)))
    yield runs("a place that nobody has: by the hash", code((RET_K, 0, 0, MEMBERS)), view=lambda seen: {"came": len(who(seen, "p"))})
    yield runs("behind the payload: 0", of(load(B, 3000)))
    yield runs("half behind the payload: 0", of((LD | bpf.BPF_IMM, 0, 0, 3), load(W, 1)))
    yield runs("the network's header: source, protocol, total length", of(
               load(B, bpf.SKF_NET_OFF + 15), (bpf.BPF_MISC | bpf.BPF_TAX, 0, 0, 0),
               load(B, bpf.SKF_NET_OFF + 9), (ALU_X | bpf.BPF_ADD, 0, 0, 0), (bpf.BPF_MISC | bpf.BPF_TAX, 0, 0, 0),
               load(H, bpf.SKF_NET_OFF + 2), (ALU_X | bpf.BPF_XOR, 0, 0, 0)))
    yield runs("the link's header: EtherType, address", of(load(H, bpf.SKF_LL_OFF + 12), (bpf.BPF_MISC | bpf.BPF_TAX, 0, 0, 0),
               load(B, bpf.SKF_LL_OFF + 5), (ALU_X | bpf.BPF_ADD, 0, 0, 0)))
    yield runs("the header's length, through X", of((LDX | B | bpf.BPF_MSH, 0, 0, 2), (bpf.BPF_MISC | bpf.BPF_TXA, 0, 0, 0)))
    yield runs("protocol, kind and mark", of(load(W, bpf.SKF_AD_OFF + bpf.SKF_AD_PROTOCOL), (bpf.BPF_MISC | bpf.BPF_TAX, 0, 0, 0),
               load(W, bpf.SKF_AD_OFF + bpf.SKF_AD_PKTTYPE), (ALU_X | bpf.BPF_ADD, 0, 0, 0), (bpf.BPF_MISC | bpf.BPF_TAX, 0, 0, 0),
               load(W, bpf.SKF_AD_OFF + bpf.SKF_AD_MARK), (ALU_X | bpf.BPF_ADD, 0, 0, 0)))
    yield runs("A ^= X, as an ancillary load", of(load(B, 2), (bpf.BPF_MISC | bpf.BPF_TAX, 0, 0, 0), load(B, 3),
               load(W, bpf.SKF_AD_OFF + bpf.SKF_AD_ALU_XOR_X)))
    yield runs("the CPU", of(load(W, bpf.SKF_AD_OFF + bpf.SKF_AD_CPU)), view=one)
    yield runs("random numbers", of(load(W, bpf.SKF_AD_OFF + bpf.SKF_AD_RANDOM)), view=spread)
    yield runs("the card's hash: a veth has none", of(load(W, bpf.SKF_AD_OFF + bpf.SKF_AD_RXHASH)))
    yield runs("divided by X, which is 0: 0", of((LD | bpf.BPF_IMM, 0, 0, 7), (LDX | bpf.BPF_IMM, 0, 0, 0), (ALU_X | bpf.BPF_DIV, 0, 0, 0)))
    yield runs("modulo X, which is 0: 0", of((LD | bpf.BPF_IMM, 0, 0, 7), (LDX | bpf.BPF_IMM, 0, 0, 0), (ALU_X | bpf.BPF_MOD, 0, 0, 0)))
    yield runs("shifted by X, which is 33", of((LD | bpf.BPF_IMM, 0, 0, 3), (LDX | bpf.BPF_IMM, 0, 0, 33), (ALU_X | bpf.BPF_LSH, 0, 0, 0),
               (ALU_K | bpf.BPF_RSH, 0, 0, 1)))
    yield runs("a member closes: the last one has its place", of(load(B, 3)), SetOpt("g.0", ATTACH, code((RET_K, 0, 0, 1))), Close("g.1"),
               flows("p"))
    yield runs("a member connects", code((RET_K, 0, 0, 1)), Connect("g.1", (f.PEER, 50000)), flows("p"))
    yield runs("a further member", code((RET_K, 0, 0, 4)), sock("g.4", f.US, reuseport=True), flows("p"), *done("g", [4]))
    yield runs("another program instead", code((RET_K, 0, 0, 1)), SetOpt("g.0", ATTACH, code((RET_K, 0, 0, 2))), flows("p"))
    yield runs("taken away", code((RET_K, 0, 0, 1)), SetOpt("g.0", DETACH, 0), SetOpt("g.0", DETACH, 0), flows("p"),
               view=lambda seen: {"members": len(set(who(seen, "p").values())), "answers": [a for _, a in seen.answers]})
    parts = [f.fragments(f.udp(b"p %d " % i + b"%d" % i * 40, 40000 + i), [48], ident=900 + i) for i in range(8)]
    yield runs("a datagram in fragments: bytes that lie apart", of(load(W, 38)), *(Send(tuple(frames)) for frames in parts))


def before_bind(name: str, first: tuple[Step, ...], *others: Open, view: Any = answers) -> Case:
    ids = ["g.0", *(step.id for step in (*first, *others) if isinstance(step, Open))]
    steps = (Open("g.0", None, reuseport=True), *first, *others, flows("p"), *done("g", [int(i[2:]) for i in ids]))
    return Case(f"reuseport program: {name}", "transport", PLAIN, steps, SOURCE, shared=True, view=view)


def attached() -> Iterator[Case]:
    here, last = Bind("g.0", (f.US, 5000)), code((RET_K, 0, 0, 1))
    yield before_bind("before bind(): the group begins with it", (SetOpt("g.0", ATTACH, last), here), sock("g.1", f.US, reuseport=True))
    yield before_bind("before bind(), into a group that is there: no", (SetOpt("g.0", ATTACH, code((RET_K, 0, 0, 0))),
                      sock("g.1", f.US, reuseport=True), SetOpt("g.1", ATTACH, last), here))
    yield before_bind("before bind(), without SO_REUSEPORT", (SetOpt("g.0", "SO_REUSEPORT", 0), SetOpt("g.0", ATTACH, last),
                      SetOpt("g.0", DETACH, 0), here))
    yield before_bind("none to take away", (SetOpt("g.0", DETACH, 0), here, SetOpt("g.0", DETACH, 0)),
                      view=only_answers)


def refused() -> Iterator[Case]:
    """Each is asked for and its errno compared; none replaces the one that is there."""
    bad = {
        "no instruction": b"", "no return": code(load(B, 0)), "an unknown instruction": code((0xFF, 0, 0, 0), (RET_K, 0, 0, 0)),
        "a division by 0": of((ALU_K | bpf.BPF_DIV, 0, 0, 0)), "modulo 0": code((ALU_K | bpf.BPF_MOD, 0, 0, 0), (RET_A, 0, 0, 0)),
        "a shift by 32": of((ALU_K | bpf.BPF_LSH, 0, 0, 32)), "a jump out": code((JMP | bpf.BPF_JA, 0, 0, 1), (RET_K, 0, 0, 0)),
        "a jump to the end": code((JMP | bpf.BPF_JEQ, 0, 1, 0), (RET_K, 0, 0, 0)),
        "a word that nobody wrote": of((LD | bpf.BPF_MEM, 0, 0, 3)),
        "word 16": of((bpf.BPF_ST, 0, 0, 16)), "nothing at SKF_AD_OFF + 2": of(load(W, bpf.SKF_AD_OFF + 2)),
        "nothing at SKF_AD_OFF + 64": of(load(W, bpf.SKF_AD_OFF + 64)), "a return of X": code((0x0E, 0, 0, 0)),
        "a word that one of two ways wrote": of((JMP | bpf.BPF_JEQ, 0, 1, 0), (bpf.BPF_ST, 0, 0, 0), (LD | bpf.BPF_MEM, 0, 0, 0)),
        "a word behind a return": code((bpf.BPF_ST, 0, 0, 0), (RET_K, 0, 0, 1), (LD | bpf.BPF_MEM, 0, 0, 0), (RET_A, 0, 0, 0)),
        "4097 instructions": code(*[(RET_K, 0, 0, 0)] * 4097),
    }
    good = {"4096 instructions": code(*[(RET_K, 0, 0, 1)] * 4096), "a word that both ways wrote": of(
        (JMP | bpf.BPF_JEQ, 0, 1, 0), (bpf.BPF_ST, 0, 0, 0), (bpf.BPF_STX, 0, 0, 0), (LD | bpf.BPF_MEM, 0, 0, 0))}
    for name, program in (bad | good).items():
        yield runs(f"refused or not: {name}", code((RET_K, 0, 0, 2)), SetOpt("g.0", ATTACH, program), flows("p"),
                   view=answers)
    yield group("an int instead of a program", SetOpt("g.0", ATTACH, 7), view=only_answers)
    yield Case("reuseport program: of a socket without SO_REUSEPORT", "transport", PLAIN,
               (sock("1", f.US), SetOpt("1", ATTACH, code((RET_K, 0, 0, 0))), SetOpt("1", DETACH, 0), Close("1")), SOURCE, shared=True)


# ---------------------------------------------------------------- any program
def drawn(rng: random.Random, results: int = MEMBERS) -> bytes:
    """A program that the kernel may take: loads, sums, words of memory, jumps ahead.  It returns less than `results`."""
    while True:
        program: list[Instruction] = []
        n = rng.randrange(4, 24)
        for pc in range(n):
            left = n - pc - 1
            program.append(rng.choice([
                load(rng.choice((W, H, B)), rng.choice((0, 1, 2, 3, 7, 30, bpf.SKF_NET_OFF + rng.randrange(20), bpf.SKF_LL_OFF + 12))),
                load(rng.choice((W, H, B)), rng.randrange(12), IND),
                (LD | bpf.BPF_IMM, 0, 0, rng.choice((0, 1, 5, 0x7FFFFFFF, 0xFFFFFFFF))),
                (LDX | bpf.BPF_IMM, 0, 0, rng.choice((0, 1, 3, 31, 32, 0xFFFFFFFE))), (LDX | B | bpf.BPF_MSH, 0, 0, rng.randrange(8)),
                (LDX | W | bpf.BPF_LEN, 0, 0, 0), (rng.choice((bpf.BPF_ST, bpf.BPF_STX)), 0, 0, rng.randrange(3)),
                (rng.choice((LD, LDX)) | bpf.BPF_MEM, 0, 0, rng.randrange(3)), (bpf.BPF_MISC | rng.choice((0, 0x80)), 0, 0, 0),
                (ALU_K | rng.choice(ALU), 0, 0, rng.choice((1, 3, 7, 31, 0x10001, 0xFFFFFFFF))), (ALU_X | rng.choice(ALU), 0, 0, 0),
                (ALU_K | bpf.BPF_NEG, 0, 0, 0),
                (JMP | rng.choice(JUMPS) | rng.choice((0, 8)), rng.randrange(left + 1), rng.randrange(left + 1), rng.randrange(200)),
            ]))
        program += [(ALU_K | bpf.BPF_MOD, 0, 0, results), (RET_A, 0, 0, 0)]
        if not bpf_check_classic([(c, jt, jf, k & 0xFFFFFFFF) for c, jt, jf, k in program]):
            return code(*program)


def cases() -> list[Case]:
    rng = random.Random(SEED)
    return [*choices(), *attached(), *refused(), *(runs(f"drawn, number {i}", drawn(rng)) for i in range(PROGRAMS))]
