"""The kernel map: every station of the path beside its twin in the kernel, as Markdown.  docs/kernel-map.md is written by

    python -m rxpath.workbench.kernel_map > docs/kernel-map.md

and a test holds the two together.  Made from path.STATIONS, the one list."""
from ..path import STATIONS, Stage, Touch

HEAD = """# The kernel map

Generated from `src/rxpath/path.py`: every station of the path, in the packet's order, with the function's twin in the kernel.
`python -m rxpath.workbench.kernel_map > docs/kernel-map.md` writes this page; a test fails when it is stale.

Context: *device* costs no CPU; *hardirq*, *softirq* and *syscall* are the seeds' three costs of receiving.
A station marked `touch` can be seen by other CPUs: a packet enters it in the order of the CPUs' clocks.

| station | room | context | kernel file | what it does |
|---|---|---|---|---|
"""
EVENTS = """
## Events of the machine

They cost time and see no packet: a hard IRQ, entering softirq, one call of a poll, a wake-up, a switch, a tick, an IPI, a timer, the entry and
the exit of a system call, a lock, a cache line from another CPU; and latencies, which cost nobody time.

"""


def markdown() -> str:
    """The whole page."""
    touched = {t.name for t in Touch}
    rows = [f"| `{stage.name}`{' (touch)' if stage.name in touched else ''} | {s.room} | {s.context} | {s.twin} | {s.what} |\n"
            for stage, s in STATIONS.items()]
    events = ", ".join(f"`{s.name}`" for s in Stage if s not in STATIONS)
    return HEAD + "".join(rows) + EVENTS + events + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
