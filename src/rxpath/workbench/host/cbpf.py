"""Programs of sockets (SO_ATTACH_FILTER) and of SO_REUSEPORT groups, as a host file writes them: as the numbers that `bpf_asm` and
`tcpdump -ddd` print; those that usually choose the member of a group by a word."""
from __future__ import annotations

from rxpath.abi.filter import (
    BPF_A,
    BPF_ABS,
    BPF_ALU,
    BPF_K,
    BPF_LD,
    BPF_MOD,
    BPF_RET,
    BPF_W,
    SKF_AD_CPU,
    SKF_AD_OFF,
    SKF_AD_RANDOM,
    SKF_AD_RXHASH,
)
from rxpath.user.filter import Program, bpf_check_classic

WORDS = {"cpu": SKF_AD_CPU, "random": SKF_AD_RANDOM, "rxhash": SKF_AD_RXHASH}      # each modulo the number of members
FILTER = 'a program as bpf_asm prints it: "4,40 0 0 8,21 0 1 1,6 0 0 65535,6 0 0 0"'
ALLOWED = ("cpu, random or rxhash, each modulo the number of sockets, or a program as bpf_asm prints it: "
           '"3,32 0 0 4294963236,148 0 0 4,22 0 0 0"')


def program(text: str, members: int) -> Program:
    """The instructions.  Raises ValueError, which says what is allowed."""
    if text in WORDS:
        return ((BPF_LD | BPF_W | BPF_ABS, 0, 0, SKF_AD_OFF + WORDS[text] & 0xFFFFFFFF), (BPF_ALU | BPF_MOD | BPF_K, 0, 0, max(members, 1)),
                (BPF_RET | BPF_A, 0, 0, 0))
    return written(text, ALLOWED)


def written(text: str, allowed: str = FILTER) -> Program:
    """A program in numbers.  Raises ValueError with `allowed`, or why the kernel refuses it."""
    count, *lines = [part.split() for part in text.replace("\n", ",").split(",") if part.strip()] or [[]]
    numbers = [[int(word) for word in line if word.isascii() and word.isdigit() and len(word) <= 10] for line in lines]
    if len(count) != 1 or count[0] != str(len(lines)) or any(len(line) != 4 or len(made) != 4
                                                             for line, made in zip(lines, numbers, strict=True)):
        raise ValueError(allowed)
    made = tuple((code, jt, jf, k) for code, jt, jf, k in numbers)
    if wrong := bpf_check_classic(made):
        raise ValueError(f"{wrong}: the kernel refuses it (EINVAL)")
    return made
