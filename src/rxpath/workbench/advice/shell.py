"""What a person types on a Linux host for a setting of `--set`: sysctl, ethtool, ip link, /proc and /sys, taskset; and for what only the
program itself can do, the call that it makes.  One entry for each kind of key; a test sees to it that every knob of rules.toml has one."""
from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any

from rxpath.workbench.host.file import mean_service_ns
from rxpath.workbench.host.iptables.move import find
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.network import rule_place
from rxpath.workbench.host.rules import rules as rules_of
from rxpath.workbench.words import units

COMMANDS: list[tuple[re.Pattern[str], Callable[..., list[str]]]] = []


def command(pattern: str) -> Callable[[Callable[..., list[str]]], Callable[..., list[str]]]:
    """The function gets the host, the value and the groups of the key."""
    def keep(function: Callable[..., list[str]]) -> Callable[..., list[str]]:
        COMMANDS.append((re.compile(pattern + r"\Z"), function))
        return function
    return keep


def commands(host: Host, settings: Iterable[str]) -> list[str]:
    """Lines to copy; a comment where a program must change."""
    out: list[str] = []
    for text in settings:
        key, _, value = text.partition("=")
        for pattern, function in COMMANDS:
            found = pattern.match(key)
            if found:
                out += [line for line in function(host, value, *found.groups()) if line.startswith("#") or line not in out]
                break
        else:
            out.append(f"# {text}")
    return sorted(out, key=lambda line: not line.startswith("sysctl"))      # rmem_max before who asks for it


def _list(value: str) -> list[Any]:
    made = tomllib.loads(f"v = {value}")["v"]
    return made if isinstance(made, list) else [made]


def _socket(host: Host, name: str) -> str:
    return next((f"# in the program, {s.proto.upper()} socket {name} ({', '.join(s.bind)}):" for s in host.sockets if s.name == name),
                f"# in the program, socket {name}:")


@command(r"(net\..*)")
def _sysctl(host: Host, value: str, name: str) -> list[str]:
    value = value.strip('"')
    return [f"sysctl -w {name}='{value}'" if " " in value else f"sysctl -w {name}={value}"]


@command(r"ethtool\.(rx|tx)")
def _ring(host: Host, value: str, which: str) -> list[str]:
    return [f"ethtool -G {host.nic.name} {which} {value}"]


@command(r"ethtool\.(rx-usecs|rx-frames)")
def _coalesce(host: Host, value: str, which: str) -> list[str]:
    return [f"ethtool -C {host.nic.name} {which} {value}"]


@command(r"ethtool\.pause-(rx|tx)")
def _pause(host: Host, value: str, way: str) -> list[str]:
    return [f"ethtool -A {host.nic.name} {way} {_on(value)}"]


@command(r"ethtool\.adaptive-rx")
def _adaptive(host: Host, value: str) -> list[str]:
    moderation = host.device.driver.moderation                                  # where adaptive is a word of rx-usecs
    return [f"ethtool -C {host.nic.name} rx-usecs {moderation.adaptive if moderation and _on(value) == 'on' else 0}"]


@command(r"(?:ethtool\.combined|nic\.queues)")
def _queues(host: Host, value: str) -> list[str]:
    return [f"ethtool -L {host.nic.name} combined {value}"]


@command(r"ethtool\.(gro|rx-checksumming|rx-vlan-offload|rx-udp-gro-forwarding)")
def _feature(host: Host, value: str, which: str) -> list[str]:
    return [f"ethtool -K {host.nic.name} {which} {_on(value)}"]


@command(r"ethtool\.rx-flow-hash-(udp4|tcp4)")
def _hash(host: Host, value: str, which: str) -> list[str]:
    return [f"ethtool -N {host.nic.name} rx-flow-hash {which} {value}"]


@command(r"ethtool\.indir")
def _indir(host: Host, value: str) -> list[str]:
    return [f"ethtool -X {host.nic.name} {value}"]


@command(r"irq\.(?:affinity\.)?(\d+)")
def _irq(host: Host, value: str, queue: str) -> list[str]:
    """A card that stands in for another does not know the names of the other's vectors."""
    if host.device.stands_in:
        return ["systemctl stop irqbalance",
                f"# IRQ: the vector of queue {queue} of {host.nic.name} in /proc/interrupts, as {host.nic.driver} names it",
                f"echo {value} > /proc/irq/IRQ/smp_affinity_list"]
    name = host.device.driver.vector(host.nic.name, int(queue), f"'$(basename $(readlink /sys/class/net/{host.nic.name}/device))'")
    return ["systemctl stop irqbalance",
            f"echo {value} > /proc/irq/$(awk -F: '/{name}$/ {{print $1+0}}' /proc/interrupts)/smp_affinity_list"]


@command(r"rps\.(\d+)")
def _rps(host: Host, value: str, queue: str) -> list[str]:
    mask = sum(1 << c for c in units.cpu_list(_list(value) if value[:1] == "[" else value))
    return [f"echo {mask:x} > /sys/class/net/{host.nic.name}/queues/rx-{queue}/rps_cpus"]


@command(r"rps")
def _no_rps(host: Host, value: str) -> list[str]:
    return [f"for q in /sys/class/net/{host.nic.name}/queues/rx-*; do echo 0 > $q/rps_cpus; done"]


@command(r"nic\.tap_queue")
def _tap_queue(host: Host, value: str) -> list[str]:
    return [f"# on the host of this guest: ip link set TAP txqueuelen {value}"]


@command(r"nic\.napi")
def _napi(host: Host, value: str) -> list[str]:
    return [f"echo {int(value == 'threaded')} > /sys/class/net/{host.nic.name}/threaded"]


@command(r"nic\.napi_defer_hard_irqs")
def _defer(host: Host, value: str) -> list[str]:
    return [f"echo {value} > /sys/class/net/{host.nic.name}/napi_defer_hard_irqs"]


@command(r"nic\.gro_flush_timeout")
def _flush(host: Host, value: str) -> list[str]:
    return [f"echo {units.duration_ns(value)} > /sys/class/net/{host.nic.name}/gro_flush_timeout"]


@command(r"rps_flow_cnt\.(\d+)")
def _rfs(host: Host, value: str, queue: str) -> list[str]:
    return [f"echo {value} > /sys/class/net/{host.nic.name}/queues/rx-{queue}/rps_flow_cnt"]


@command(r"cpu\.idle")
def _idle(host: Host, value: str) -> list[str]:
    return ["cpupower idle-set -D 3"] if value == "C1" else ["# idle=poll on the kernel's command line: the CPUs never sleep"]


@command(r"route\.(\d+)\.dst")
def _route(host: Host, value: str, number: str) -> list[str]:
    return []                                               # with its device


@command(r"route\.(\d+)\.dev")
def _route_dev(host: Host, value: str, number: str) -> list[str]:
    dst = host.routes[int(number)].dst if int(number) < len(host.routes) else "default"
    return [f"ip route replace {dst} dev {value}    # or a route to the senders' network alone"]


@command(r"traffic\.(\d+)\.flows")
def _flows(host: Host, value: str, stream: str) -> list[str]:
    return [f"# at the sender of stream {stream}: {value} flows: as many source ports, addresses or destination ports"]


@command(r"traffic\.(\d+)\.sport")
def _sport(host: Host, value: str, stream: str) -> list[str]:
    return []                                               # with its flows


@command(r"load")
def _load(host: Host, value: str) -> list[str]:
    return [f"# what else runs on CPU{'s' * (len(cpus := sorted({c for load in host.loads for c in load.cpu})) > 1)} "
            f"{', '.join(map(str, cpus))}: stop it, or move it (taskset, cpuset)"]


@command(r"iptables\.(first|raw)")
def _move_rules(host: Host, value: str, to: str) -> list[str]:
    rules = rules_of(host)
    if rules is None:
        return []
    moves = [(rule_place(text), find(rules, text)) for text in _list(value)]
    gone = sorted((where for where, _ in moves), key=lambda where: (where[:2], -where[2]))
    front = {"first": "-t {} -I {} 1", "raw": "-t raw -I PREROUTING 1"}[to]
    return [*(f"iptables -t {table} -D {chain} {number}" for table, chain, number in gone),
            *(f"iptables {front.format(table, chain)} {rule.text.partition(f'-A {chain} ')[2]}"
              for (table, chain, _), rule in reversed(moves))]


@command(r"iptables")
def _iptables(host: Host, value: str) -> list[str]:
    return ["# no firewall rules at all: iptables -F, to see what they cost"]


@command(r"tap")
def _tap(host: Host, value: str) -> list[str]:
    return ["pkill -INT tcpdump"]


@command(r"app\.([^.]+)\.cpu")
def _app_cpu(host: Host, value: str, app: str) -> list[str]:
    cpus = _list(value)
    if len(set(cpus)) == 1:
        return [f"taskset -cp {cpus[0]} {_pid(app)}"]
    return [f"# in {app}: thread i on CPU i of {cpus}: pthread_setaffinity_np(), or taskset -cp CPU TID"]


@command(r"app\.([^.]+)\.batch")
def _app_batch(host: Host, value: str, app: str) -> list[str]:
    return [f"# in {app}:", f"recvmmsg(fd, messages, {value}, MSG_WAITFORONE, NULL);"]


@command(r"app\.([^.]+)\.waitforone")
def _app_waitforone(host: Host, value: str, app: str) -> list[str]:
    return [f"# in {app}: recvmmsg() with MSG_WAITFORONE, or it waits until all of them have come"]


@command(r"socket\.(.+)\.attach_reuseport_cbpf")
def _cbpf(host: Host, value: str, name: str) -> list[str]:
    what = {"cpu": "CPU", "random": "RANDOM", "rxhash": "RXHASH"}.get(value)
    if what is None:
        return [_socket(host, name), f"# SO_ATTACH_REUSEPORT_CBPF with {value}"]
    return [f"{_socket(host, name)} once, N is the number of its sockets", "struct sock_filter code[] = {",
            f"    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_{what}),", "    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, N),",
            "    BPF_STMT(BPF_RET | BPF_A, 0),", "};",
            "setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &(struct sock_fprog){3, code}, sizeof(struct sock_fprog));"]


@command(r"socket\.(.+)\.bind")
def _bind(host: Host, value: str, name: str) -> list[str]:
    return [f"{_socket(host, name)} a socket for each of {value}"]


@command(r"app\.([^.]+)\.divide_sockets")
def _divide(host: Host, value: str, app: str) -> list[str]:
    return [f"# in {app}: each thread reads a socket of its own"]


@command(r"traffic\.(\d+)\.dport")
def _dport(host: Host, value: str, stream: str) -> list[str]:
    return [f"# at the senders of stream {stream}: ports {value} in turn"]


@command(r"socket\..+\.reuseport")
def _said_elsewhere(host: Host, value: str) -> list[str]:
    return []                                               # with own_sockets


@command(r"app\.([^.]+)\.threads")
def _app_threads(host: Host, value: str, app: str) -> list[str]:
    return [f"# in {app}: {value} threads that receive"]


@command(r"app\.([^.]+)\.own_sockets")
def _app_own(host: Host, value: str, app: str) -> list[str]:
    if value == "false":
        return [f"# in {app}: one socket for all threads, without SO_REUSEPORT"]
    return [f"# in {app}, each thread, before bind():", "setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));"]


@command(r"app\.([^.]+)\.nice")
def _app_nice(host: Host, value: str, app: str) -> list[str]:
    return [f"renice -n {value} -p {_pid(app)}"]


@command(r"app\.([^.]+)\.service")
def _app_service(host: Host, value: str, app: str) -> list[str]:
    now = next((mean_service_ns(a.service) for a in host.apps if a.name == app), 0)
    return [f"# in {app}: half the work for each datagram (now {now:,} ns)"]


@command(r"socket\.(.+)\.rcvbuf")
def _rcvbuf(host: Host, value: str, name: str) -> list[str]:
    return [_socket(host, name), f"setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){{{value}}}, sizeof(int));"]


@command(r"socket\.(.+)\.backlog")
def _listen(host: Host, value: str, name: str) -> list[str]:
    return [_socket(host, name), f"listen(fd, {value});"]


@command(r"socket\.(.+)\.defer_accept")
def _defer_accept(host: Host, value: str, name: str) -> list[str]:
    return [_socket(host, name), f"setsockopt(fd, SOL_TCP, TCP_DEFER_ACCEPT, &(int){{{value}}}, sizeof(int));"]


@command(r"socket\.(.+)\.udp_gro")
def _udp_gro(host: Host, value: str, name: str) -> list[str]:
    return [_socket(host, name), "setsockopt(fd, SOL_UDP, UDP_GRO, &(int){1}, sizeof(int));"]


@command(r"socket\.(.+)\.busy_poll")
def _busy(host: Host, value: str, name: str) -> list[str]:
    return [_socket(host, name), f"setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &(int){{{units.duration_ns(value) // 1000}}}, "
            "sizeof(int));"]


def _pid(app: str) -> str:
    """app0 is the host file's word for a program without a name."""
    return "PID    # of the program that reads" if re.fullmatch(r"app\d+", app) else f"$(pidof {app})"


def _on(value: str) -> str:
    return "on" if value in ("true", "on") else "off"
