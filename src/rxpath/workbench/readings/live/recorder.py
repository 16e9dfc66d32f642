"""Records a case of this host: what `rxpath record` runs, and the file that `rxpath record --script` prints to carry to a server where
nothing may be installed.  Standard library only, Python 3.6 and newer: nothing of rxpath may be imported here.

    python3 record.py --seconds 30 -o case.rxcase           (root, for the capture and for other users' programs)

It only reads: /proc, /sys, commands that print settings, and a packet socket whose ring the kernel fills (no promiscuous mode).  Nothing is
parsed here: texts and blocks of the ring are kept as they are, and converted when the case is read.  Its limits, all said in the manifest:
memory the ring (16 MiB for each device) and one sample; disk --most for the capture and 64 MiB for counters, while it records twice that
in --folder; CPU at most 2 % of one CPU for counters (a sample that takes longer makes the next ones rarer), and for the capture what the
kernel needs to copy --snap bytes of each frame, which the manifest measures as far as it is this process's time.
SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGALRM end it early and cleanly; a file that is there already is never overwritten."""
import argparse
import ctypes
import errno
import json
import mmap
import os
import platform
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

FORMAT = 1                          # of the case; a reader refuses newer ones by this number
TOOL = "rxpath record"
COST = 0.02                         # of one CPU, for counters
COUNTERS_MOST = 64 << 20            # bytes of samples
TEXT_MOST = 4 << 20                 # bytes of one text
FILES_MOST = 4096                   # of /proc/sys, /proc/irq, /sys: each
BLOCK, BLOCKS = 1 << 18, 64         # of the ring: 16 MiB
DEVICES_MOST = 8
PROGRAMS_MOST, THREADS_MOST = 64, 256
PATIENCE = 5.0                      # s for one command
NET = ("softnet_stat", "udp", "udp6", "snmp", "netstat", "snmp6", "dev", "sockstat")
EVERY = tuple("/proc/net/" + name for name in NET) + ("/proc/stat",)            # of each sample
SLOWER = ("/proc/interrupts", "/proc/softirqs")             # once a second: they are long where there are many CPUs
STATISTICS = ("rx_packets", "rx_dropped", "rx_missed_errors", "rx_fifo_errors", "rx_over_errors")
# /proc/net/packet is read before our own packet sockets are opened
TEXTS = ("/proc/version", "/proc/cmdline", "/proc/net/igmp", "/proc/net/packet", "/proc/uptime")
COMMANDS = ("uname -a", "date +%s.%N", "lscpu", "lspci -nn", "ip -s -s -d link", "ip address", "ip route show table all", "ip neigh",
            "ss -uamnpe", "ss -tlmnpe", "nft list ruleset", "conntrack -S")
OF_DEVICE = ("-i", "-k", "-g", "-l", "-c", "-a", "-x", "-S", "", "-n:rx-flow-hash udp4")
AT_THE_ENDS = ("-S",)               # of the card, at the beginning and at the end
SYSCTLS = ("net/core", "net/ipv4", "net/netfilter", "kernel/sched_rt_runtime_us")
MACHINE = tuple("/proc/sys/net/" + name for name in (
    "core/netdev_budget", "core/netdev_budget_usecs", "core/dev_weight", "core/netdev_max_backlog", "core/gro_normal_batch",
    "core/flow_limit_cpu_bitmap", "core/flow_limit_table_len", "core/rps_sock_flow_entries", "core/busy_poll", "core/busy_read",
    "ipv4/udp_mem"))
MACHINES = "RXPATH_SYSCTLS_OF_THE_MACHINE"                  # in the environment: what the first namespace showed of them
SOL_PACKET, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, TPACKET_V3 = 263, 5, 6, 10, 2
ETH_P_ALL, SO_ATTACH_FILTER, SO_TIMESTAMPNS = 3, 26, 35
STATUS_USER = 1
# ARPHRD_...: Ethernet, loopback (with an Ethernet header), none -> LINKTYPE_...
LINKTYPES = {1: 1, 772: 1, 65534: 101, 768: 101, 776: 101, 778: 101}
BLOCK_HEAD = struct.Struct("<4sHHI")                        # b"RXBK", number of the device, 0, bytes that follow


class Refused(Exception):
    """What cannot be done: one line."""


def content(path: str, most: int = TEXT_MOST) -> Optional[bytes]:
    """A file of /proc or /sys; None where it is not, or may not be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    parts, left = [], most
    try:
        while left > 0:
            part = os.read(handle, min(left, 1 << 16))
            if not part:
                break
            parts.append(part)
            left -= len(part)
    except OSError:
        return None
    finally:
        os.close(handle)
    return b"".join(parts)


def text(path: str) -> str:
    return (content(path) or b"").decode("utf-8", "replace").strip()


def numbers(folder: str) -> List[str]:
    """Entries of a directory that are numbers, in their order."""
    try:
        return sorted((n for n in os.listdir(folder) if n.isdigit()), key=int)
    except OSError:
        return []


# ---------------------------------------------------------------- settings
def command(line: str, nothing: Optional[bytes] = None) -> Optional[bytes]:
    """What a command prints; None where it is not installed or does not answer; nothing: in place of no output at all."""
    words = line.split()
    program = shutil.which(words[0]) or shutil.which(words[0], path="/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run([program] + words[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                              timeout=PATIENCE, env=dict(os.environ, LC_ALL="C"))
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout[:TEXT_MOST] or (nothing if done.returncode == 0 else None)


def files_below(folder: str, wanted: Callable[[str], bool]) -> List[str]:
    """Files below a folder, links not followed, in the order of their names."""
    found: List[str] = []
    if os.path.isfile(folder):
        return [folder]
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(place, name) for name in sorted(names) if wanted(os.path.join(place, name))]
        if len(found) >= FILES_MOST:
            break
    return found[:FILES_MOST]


def pairs(paths: List[str], name: Callable[[str], str]) -> bytes:
    """Lines NAME VALUE of small files."""
    lines = []
    for path in paths:
        value = content(path, 4096)
        if value is not None and value.strip() and value.count(b"\n") <= 1:
            lines.append(name(path).encode() + value.strip())
    return b"\n".join(lines) + b"\n" if lines else b""


def sysctl_name(path: str) -> str:
    return path[len("/proc/sys/"):].replace(".", "\0").replace("/", ".").replace("\0", "/") + " = "


def settings(devices: List[str]) -> Dict[str, bytes]:
    """Texts of one moment by the names under which readers know them: a path, or a command with _ for blanks."""
    found: Dict[str, bytes] = {}

    def keep(name: str, data: Optional[bytes]) -> None:
        if data:
            found[name] = data

    for path in TEXTS:
        keep(path[1:], content(path))
    for line in COMMANDS:
        said = command(line)
        if said and (said.count(b"\n") > 1 or not line.startswith("ss")):               # ss prints its heading in any case
            keep(line.replace(" ", "_").replace("/", "."), said)
    for device in devices:
        for option in OF_DEVICE:
            flag, _, more = option.partition(":")
            line = " ".join(word for word in ("ethtool", flag, device, more) if word)
            keep(line.replace(" ", "_"), command(line))
        place = "/sys/class/net/%s/" % device
        paths = [place + n for n in ("threaded", "napi_defer_hard_irqs", "gro_flush_timeout", "device/numa_node", "device/vendor",
                                     "device/device")]
        paths += files_below(place + "queues", lambda path: path.endswith(("rps_cpus", "rps_flow_cnt", "xps_cpus")))
        keep("sys_of_%s" % device, pairs(paths, lambda path: path + ":"))
    sysctls: List[str] = []
    for part in SYSCTLS:
        sysctls += files_below("/proc/sys/" + part, lambda path: "/neigh/" not in path)
    keep("sysctl_-a", pairs(sysctls, sysctl_name))
    found.update(rules())
    if MACHINES in os.environ:
        keep("sysctls_of_the_machine", os.environ[MACHINES].encode())
    elif namespace() != namespace(1):                       # only the first namespace shows what is of the whole machine
        keep("sysctls_of_the_machine", command("nsenter -t 1 -n grep . " + " ".join(MACHINE)))
    irqs = ["/proc/irq/%s/%s" % (n, name) for n in numbers("/proc/irq") for name in ("smp_affinity_list", "effective_affinity_list")]
    keep("irqs", pairs(irqs[:FILES_MOST], lambda path: path + ":"))
    return found


def rules() -> Dict[str, bytes]:
    """The firewall's, with what they counted: of iptables' both kinds.  No module is loaded for it: the old kind is asked only where it has
    tables."""
    found: Dict[str, bytes] = {}
    for name, wanted in (("iptables-save", True), ("iptables-legacy-save", bool(text("/proc/net/ip_tables_names")))):
        data = command(name + " -c", b"*filter\nCOMMIT\n") if wanted else None
        if data and (b"\n:" in data or "iptables-save_-c" not in found):
            found["iptables-save_-c"] = data
    return found


def ends(devices: List[str]) -> Dict[str, bytes]:
    """What is counted and only a command prints: at the beginning and at the end, just before the manifest's `clocks` are read."""
    found: Dict[str, bytes] = {}
    lines = ["ethtool %s %s" % (option, device) for device in devices for option in AT_THE_ENDS] + ["ip -s -s link"]
    for line in lines:
        data = command(line)
        if data:
            found[line.replace(" ", "_")] = data
    found.update(rules())
    return found


def programs() -> Tuple[List[Dict[str, Any]], int]:
    """Who holds UDP sockets, and in which calls their threads wait; (programs, processes that may not be looked at)."""
    inodes = set()
    for path in ("/proc/net/udp", "/proc/net/udp6"):
        for line in (content(path) or b"").split(b"\n")[1:]:
            words = line.split()
            if len(words) > 9:
                inodes.add(b"socket:[" + words[9] + b"]")
    found: List[Dict[str, Any]] = []
    hidden = 0
    for pid in numbers("/proc"):
        held: List[List[int]] = []
        polled: Dict[str, str] = {}
        try:
            for fd in os.listdir("/proc/%s/fd" % pid):
                try:
                    link = os.readlink("/proc/%s/fd/%s" % (pid, fd)).encode()
                except OSError:
                    continue
                if link in inodes:
                    held.append([int(fd), int(link[8:-1])])
                elif link == b"anon_inode:[eventpoll]" and len(polled) < 16:
                    polled[fd] = text("/proc/%s/fdinfo/%s" % (pid, fd))
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue
        if held and int(pid) != os.getpid() and len(found) < PROGRAMS_MOST:
            threads = []
            for tid in numbers("/proc/%s/task" % pid)[:THREADS_MOST]:
                try:
                    cpus: Optional[List[int]] = sorted(os.sched_getaffinity(int(tid)))
                except OSError:
                    cpus = None
                place = "/proc/%s/task/%s/" % (pid, tid)
                threads.append({"id": int(tid), "cpus": cpus, "stat": text(place + "stat"), "syscall": text(place + "syscall")})
            found.append({"name": text("/proc/%s/comm" % pid), "pid": int(pid), "sockets": sorted(held), "epoll": polled,
                          "threads": threads})
    return found, hidden


def enter(name: str, again: List[str]) -> None:
    """The same program once more, in that network namespace, with what only this one shows.  Returns only if it cannot be."""
    program = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if program is None or not os.path.exists("/run/netns/" + name):
        raise Refused("--netns %s: %s" % (name, "ip is not installed" if program is None else "there is no such namespace in /run/netns"))
    environment = dict(os.environ)
    environment[MACHINES] = pairs(list(MACHINE), lambda path: path + ":").decode("utf-8", "replace")
    try:
        os.execve(program, [program, "netns", "exec", name] + again, environment)
    except OSError as error:
        raise Refused("--netns %s: %s" % (name, error.strerror or error))


# ---------------------------------------------------------------- counters
class Counters:
    """Samples one after the other, each file whole, or only named where it is as it was before:

        @ CLOCK_MONOTONIC CLOCK_REALTIME TOOK (ns)
        PATH BYTES      and then so many bytes and a line's end
        PATH =          as in the sample before"""

    def __init__(self, spool: IO[bytes], devices: List[str], threads: List[Tuple[int, int]]) -> None:
        self.spool, self.samples, self.bytes, self.full = spool, 0, 0, False
        self.last: Dict[str, bytes] = {}
        self.took, self.longest = 0.0, 0.0
        self.files: List[Tuple[str, int]] = []
        slow = list(SLOWER)
        for pid, tid in threads:
            slow += ["/proc/%d/task/%d/schedstat" % (pid, tid), "/proc/%d/task/%d/stat" % (pid, tid)]
        self.statistics = ["/sys/class/net/%s/statistics/%s" % (d, name) for d in devices for name in STATISTICS]
        self.every = self.opened(list(EVERY) + self.statistics)
        self.slow = self.opened(slow)
        self.slowly = 0.0

    def opened(self, paths: List[str]) -> List[Tuple[str, int]]:
        found = []
        for path in paths:
            try:
                found.append((path, os.open(path, os.O_RDONLY | os.O_CLOEXEC)))
            except OSError:
                pass
        return found

    def sample(self, whole: bool = False) -> float:
        """All files once; whole: those of once a second, too.  How long it took, in s of this process's CPU time."""
        if self.full:
            return 0.0
        used, begun = time.process_time(), time.monotonic()
        whole = whole or begun - self.slowly >= 1.0
        parts = []
        for path, handle in self.every + (self.slow if whole else []):
            data = b""
            try:
                os.lseek(handle, 0, os.SEEK_SET)
                while True:
                    part = os.read(handle, 1 << 16)
                    data += part
                    if not part or len(data) > TEXT_MOST:
                        break
            except OSError:
                continue                                    # a thread that has ended
            if self.last.get(path) == data:
                parts.append(path.encode() + b" =\n")
            else:
                self.last[path] = data
                parts.append(path.encode() + (" %d\n" % len(data)).encode() + data + b"\n")
        ended, real = time.monotonic(), time.time()
        if whole:
            self.slowly = begun
        head = "@ %d %d %d\n" % ((begun + ended) / 2 * 1e9, (real - (ended - begun) / 2) * 1e9, (ended - begun) * 1e9)
        written = head.encode() + b"".join(parts)
        if self.bytes + len(written) > COUNTERS_MOST:
            self.full = True
            return 0.0
        self.spool.write(written)
        self.bytes += len(written)
        self.samples += 1
        spent = time.process_time() - used
        self.took += spent
        self.longest = max(self.longest, ended - begun)
        return spent

    def describe(self, interval: float) -> Dict[str, Any]:
        """For the manifest."""
        return {"file": "counters", "samples": self.samples, "interval": interval, "cpu_s": round(self.took, 4),
                "longest_s": round(self.longest, 4), "stopped": "the limit of %d MiB" % (COUNTERS_MOST >> 20) if self.full else ""}

    def close(self) -> None:
        for _, handle in self.every + self.slow:
            os.close(handle)


# ---------------------------------------------------------------- capture
class Ring:
    """A packet socket's TPACKET_V3 ring on one device: the kernel cuts, stamps and fills; blocks go to the spool as they are."""

    def __init__(self, device: str, number: int, snap: int) -> None:
        self.device, self.number, self.at, self.lost, self.seen, self.frozen = device, number, 0, 0, 0, 0
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)      # stamps are of the moment at which the stack got the frame
            cut = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, snap))       # BPF: ret #snap
            self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(cut)))
            self.sock.setsockopt(SOL_PACKET, PACKET_RX_RING, struct.pack("IIIIIII", BLOCK, BLOCKS, 2048, BLOCK * BLOCKS // 2048, 100, 0, 0))
            self.memory = mmap.mmap(self.sock.fileno(), BLOCK * BLOCKS, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self.sock.bind((device, ETH_P_ALL))
        except (OSError, ValueError):
            self.sock.close()
            raise

    def drain(self, spool: IO[bytes], most: int) -> int:
        """Blocks that the kernel has finished, as far as there is room for them; bytes that were written, -1: there is no room."""
        written = 0
        for _ in range(BLOCKS):
            place = self.at * BLOCK
            status, = struct.unpack_from("I", self.memory, place + 8)
            if not status & STATUS_USER:
                break
            size, = struct.unpack_from("I", self.memory, place + 20)
            if written + BLOCK_HEAD.size + size > most:
                return -1
            spool.write(BLOCK_HEAD.pack(b"RXBK", self.number, 0, size))
            spool.write(memoryview(self.memory)[place:place + size])
            struct.pack_into("I", self.memory, place + 8, 0)
            self.at = (self.at + 1) % BLOCKS
            written += BLOCK_HEAD.size + size
        return written

    def count(self) -> None:
        """PACKET_STATISTICS; reading them sets them to 0."""
        seen, lost, frozen = struct.unpack("III", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        self.seen, self.lost, self.frozen = self.seen + seen, self.lost + lost, self.frozen + frozen

    def describe(self) -> Dict[str, Any]:
        """For the manifest."""
        place = "/sys/class/net/%s/" % self.device
        kind = text(place + "type")
        return {"name": self.device, "linktype": LINKTYPES.get(int(kind or "1"), 0), "mac": text(place + "address"),
                "mtu": int(text(place + "mtu") or "0"), "frames": self.seen - self.lost, "lost": self.lost, "frozen": self.frozen}

    def close(self) -> None:
        self.memory.close()
        self.sock.close()


class Capture:
    """The rings of some devices, and the spool that their blocks go to."""

    def __init__(self, devices: List[str], snap: int, most: int, spool: IO[bytes]) -> None:
        self.most, self.bytes, self.spool, self.ended = most, 0, spool, ""
        self.rings: List[Ring] = []
        self.snap = snap
        self.poll = select.poll()
        try:
            for number, device in enumerate(devices):
                self.rings.append(Ring(device, number, snap))
                self.poll.register(self.rings[-1].sock, select.POLLIN | select.POLLERR)
        except (OSError, ValueError):
            self.close()
            raise

    def wait(self, seconds: float) -> None:
        """Until a block is full or so long."""
        if self.ended or not self.rings:
            time.sleep(seconds)
        else:
            for handle, _ in self.poll.poll(max(seconds, 0.0) * 1000):
                ring = next(r for r in self.rings if r.sock.fileno() == handle)
                if not self.drain(ring):
                    return

    def drain(self, ring: Ring) -> bool:
        try:
            written = ring.drain(self.spool, self.most - self.bytes)
        except OSError as error:
            written, why = -1, error.strerror or "cannot be written"
        else:
            why = "the limit of %d MiB (--most)" % (self.most >> 20)
        if written < 0:
            self.ended = why
            self.stop()
            return False
        self.bytes += written
        return True

    def stop(self) -> None:
        """No frame costs anything any more."""
        for ring in self.rings:
            ring.count()
            ring.close()

    def finish(self) -> None:
        """The last blocks: the kernel hands over what there is within its 100 ms."""
        if self.ended:
            return
        time.sleep(0.12)
        for ring in self.rings:
            if not self.drain(ring):
                return
        self.stop()

    def close(self) -> None:
        for ring in self.rings:
            ring.close()


# ---------------------------------------------------------------- the whole
def busiest_device() -> List[str]:
    """The one that received most since boot, loopback only where there is no other."""
    found: List[Tuple[bool, int, str]] = []
    for line in text("/proc/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) > 1:
            found.append((name.strip() != "lo", int(words[1]), name.strip()))
    return [max(found)[2]] if found else []


def all_devices() -> List[str]:
    """Those whose settings are read: at most 32."""
    names = [line.partition(":")[0].strip() for line in text("/proc/net/dev").splitlines()[2:]]
    return [name for name in names if name != "lo"][:32]


def clocks() -> Dict[str, int]:
    """Both clocks at one moment, ns."""
    before = time.monotonic()
    real = time.time()
    after = time.monotonic()
    return {"monotonic_ns": int((before + after) / 2 * 1e9), "realtime_ns": int(real * 1e9)}


def namespace(pid: object = "self") -> str:
    """Which network namespace a process is in: net:[4026531840]."""
    try:
        return os.readlink("/proc/%s/ns/net" % pid)
    except OSError:
        return ""


def record(out: str, seconds: float = 30.0, devices: Optional[List[str]] = None, snap: int = 96, interval: float = 0.1,
           most: int = 256 << 20, capture: bool = True, folder: Optional[str] = None,
           more: Optional[Callable[[], Dict[str, bytes]]] = None, stop: Optional[Callable[[], bool]] = None,
           said: Optional[Callable[[str], None]] = None) -> Dict[str, Any]:
    """Write a case.  more: further members of it, asked before the recording begins; stop: ends it early; said: remarks for the user.
    Returns the manifest; Refused says what cannot be done."""
    tell = said or (lambda line: None)
    where = folder or os.path.dirname(os.path.abspath(out))
    if os.path.exists(out):
        raise Refused("%s already exists: use another name, or remove it" % out)
    chosen = chosen_devices(devices) if capture else []
    try:
        left = shutil.disk_usage(where).free
        counted = tempfile.TemporaryFile(dir=where)
    except OSError as error:
        raise Refused("%s: %s" % (where, error.strerror or error))
    with counted, tempfile.TemporaryFile(dir=where) as captured:
        if most > left // 4:                                # the spool and the case, and as much for others
            most = max(left // 4, 0)
            tell("%d MiB are free there: the capture ends at %d MiB" % (left >> 20, most >> 20))
        watched = list(chosen) + [d for d in all_devices() if d not in chosen][:DEVICES_MOST]
        texts = dict(more() if more is not None else {})
        texts.update(("settings/" + name, data) for name, data in settings(watched).items())
        held, hidden = programs()
        if hidden:
            tell("%d processes of other users cannot be looked at (root sees them)" % hidden)
        texts["programs.json"] = json.dumps(held).encode()
        threads = [(p["pid"], t["id"]) for p in held for t in p["threads"]][:THREADS_MOST]
        counters = Counters(counted, watched[:DEVICES_MOST], threads)
        used = time.process_time()
        frames, why = opened(chosen, snap, most, captured)
        if why:
            tell("no capture of %s: %s" % (", ".join(chosen), why))
        try:
            texts.update(("begin/" + name, data) for name, data in ends(watched).items())
            began = clocks()
            lasted = watch(counters, frames, seconds, interval, stop or (lambda: False))
            texts.update(("end/" + name, data) for name, data in ends(watched).items())
            ended = clocks()
            if frames is not None:
                frames.finish()
        finally:
            counters.close()
        manifest: Dict[str, Any] = {                        # hz: the resolution of CLOCK_MONOTONIC_COARSE is a tick
            "format": FORMAT, "tool": TOOL, "made": "recorded", "kernel": platform.release(), "machine": platform.machine(),
            "python": platform.python_version(), "hz": round(1 / time.clock_getres(6)),
            "clocks": [began, ended], "seconds": round(lasted, 3), "asked": seconds,
            "network_namespace": namespace(), "counters": counters.describe(interval), "cpu_s": round(time.process_time() - used, 3),
            "hidden_processes": hidden, "limits": {"cpu": COST, "capture_bytes": most, "ring": BLOCK * BLOCKS},
        }
        if frames is not None:
            manifest["capture"] = {"file": "capture.blocks", "snap": snap, "bytes": frames.bytes, "stopped": frames.ended,
                                   "devices": [ring.describe() for ring in frames.rings]}
        elif chosen:
            manifest["no_capture"] = why
        try:
            write(out, manifest, texts, counted, captured if frames is not None else None)
        except OSError as error:
            raise Refused("%s cannot be written: %s" % (out, error.strerror or error))
    return manifest


def chosen_devices(devices: Optional[List[str]]) -> List[str]:
    """Those that are captured."""
    known = set(line.partition(":")[0].strip() for line in text("/proc/net/dev").splitlines()[2:])
    for device in devices or []:
        if device not in known:
            raise Refused("there is no device %s here: %s" % (device, ", ".join(sorted(known)) or "none"))
    if len(devices or []) > DEVICES_MOST:
        raise Refused("at most %d devices are captured" % DEVICES_MOST)
    return devices or busiest_device()


def opened(devices: List[str], snap: int, most: int, spool: IO[bytes]) -> Tuple[Optional[Capture], str]:
    """The capture, or why there is none."""
    if not devices:
        return None, ""
    try:
        return Capture(devices, snap, most, spool), ""
    except (OSError, ValueError) as error:
        refused = getattr(error, "errno", 0) in (errno.EPERM, errno.EACCES)
        return None, "not permitted: root may" if refused else getattr(error, "strerror", None) or str(error)


def watch(counters: Counters, frames: Optional[Capture], seconds: float, interval: float, stop: Callable[[], bool]) -> float:
    """Samples and blocks until the time is over; how long it took.  A sample that took long makes the next ones rarer."""
    counters.sample(whole=True)
    first = time.monotonic()
    due = first + interval
    while not stop() and time.monotonic() < first + seconds:
        now = time.monotonic()
        if now >= due:
            spent = counters.sample()
            due = max(due + max(interval, spent / COST), time.monotonic())
            continue
        pause = max(min(due, first + seconds) - now, 0.0)
        if frames is not None:
            frames.wait(pause)
        else:
            time.sleep(min(pause, 0.5))                     # a signal is seen soon
    counters.sample(whole=True)
    return time.monotonic() - first


def write(out: str, manifest: Dict[str, Any], texts: Dict[str, bytes], counters: Optional[IO[bytes]],
          capture: Optional[IO[bytes]]) -> None:
    """The zip.  Blocks of the capture are only stored: compressing them would cost the server's CPU (`rxpath case` compresses)."""
    part = out + ".part"
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("manifest.json", json.dumps(manifest, indent=1))
            for name in sorted(texts):
                made.writestr(name, texts[name])
            for name, spool, how in (("counters", counters, zipfile.ZIP_DEFLATED), ("capture.blocks", capture, zipfile.ZIP_STORED)):
                if spool is None:
                    continue
                spool.seek(0)
                info = zipfile.ZipInfo(name, time.localtime()[:6])
                info.compress_type = how
                with made.open(info, "w", force_zip64=True) as into:
                    shutil.copyfileobj(spool, into, 1 << 18)
        os.rename(part, out)
    except BaseException:
        try:
            os.unlink(part)
        except OSError:
            pass
        raise


class Ended:
    """Signals that end the recording."""

    def __init__(self) -> None:
        self.asked = False
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM"):
            signal.signal(getattr(signal, name), self.ask)

    def ask(self, *_: Any) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Record a case of this host for rxpath: settings, counters, a capture.  It only reads.")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the case, FILE.rxcase")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how long (30)")
    parser.add_argument("--device", action="append", metavar="DEV", help="capture there; the busiest one if not given")
    parser.add_argument("--snap", type=int, default=96, metavar="BYTES", help="bytes kept of each frame (96)")
    parser.add_argument("--interval", type=float, default=0.1, metavar="S", help="between samples of counters (0.1)")
    parser.add_argument("--most", type=int, default=256, metavar="MIB", help="of the capture on the disk (256)")
    parser.add_argument("--folder", metavar="DIR", help="for what is recorded until it is packed; the case's if not given")
    parser.add_argument("--netns", metavar="NAME", help="record there: a network namespace of ip netns")
    parser.add_argument("--no-capture", action="store_true", help="settings and counters alone: needs no root")
    return parser


def wrong(seconds: float, snap: int, interval: float, most: int) -> str:
    """What is not allowed, in words; "" if all is well."""
    if not 0.2 <= seconds <= 86400:
        return "--seconds %g: 0.2 to 86400" % seconds
    if not 64 <= snap <= 65535:
        return "--snap %d: 64 to 65535" % snap
    if not 0.01 <= interval <= 60:
        return "--interval %g: 0.01 to 60" % interval
    if not 1 <= most <= 1 << 20:
        return "--most %d: 1 to 1048576 MiB" % most
    return ""


def without(words: List[str], option: str) -> List[str]:
    """A command line without an option that has a value."""
    found, skip = [], False
    for word in words:
        if not skip and word != option and not word.startswith(option + "="):
            found.append(word)
        skip = not skip and word == option
    return found


def summary(out: str, manifest: Dict[str, Any]) -> str:
    """One line of what was recorded."""
    line = "wrote %s: %.1f s, %d samples of counters (%.1f %% of one CPU)" % (
        out, manifest["seconds"], manifest["counters"]["samples"], 100 * manifest["counters"]["cpu_s"] / max(manifest["seconds"], 0.001))
    for device in manifest.get("capture", {}).get("devices", []):
        line += ", %d frames of %s" % (device["frames"], device["name"])
        line += " and %d that the capture itself lost" % device["lost"] if device["lost"] else ""
    if manifest.get("capture", {}).get("stopped"):
        line += "; the capture ended early: " + manifest["capture"]["stopped"]
    return line


def main() -> int:
    given = arguments().parse_args()
    try:
        mistake = wrong(given.seconds, given.snap, given.interval, given.most)
        if mistake:
            raise Refused(mistake)
        if given.netns:
            enter(given.netns, [sys.executable, os.path.abspath(__file__)] + without(sys.argv[1:], "--netns"))
        manifest = record(given.out, given.seconds, given.device, given.snap, given.interval, given.most << 20, not given.no_capture,
                          given.folder, None, Ended(), lambda line: print("record: " + line, file=sys.stderr))
    except Refused as error:
        print("record: %s" % error, file=sys.stderr)
        return 2
    print(summary(given.out, manifest))
    return 0


if __name__ == "__main__":
    sys.exit(main())
