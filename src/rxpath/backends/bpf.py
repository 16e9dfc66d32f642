"""bpf(2), as much as an XDP program wants that hands frames to sockets: no compiler, no library; the program is a list of instructions in
memory.  All of it ends with its descriptors, however the process ends."""
import ctypes
import errno
import os
import platform
import struct

NR_BPF = {"x86_64": 321, "aarch64": 280}
MAP_CREATE, MAP_UPDATE_ELEM, PROG_LOAD, LINK_CREATE = 0, 2, 5, 28
BPF_MAP_TYPE_XSKMAP, BPF_PROG_TYPE_XDP, BPF_XDP = 17, 6, 37
XDP_PASS, REDIRECT_MAP = 2, 51
XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE = 2, 4

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> int:
    """A descriptor, or 0.  OSError as the kernel says."""
    number = NR_BPF.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"bpf(2): its number on {platform.machine()} is not known here")
    memory = ctypes.create_string_buffer(attributes, len(attributes))
    result = libc.syscall(number, command, memory, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


def insn(code: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    """struct bpf_insn"""
    return struct.pack("=BBhi", code, src << 4 | dst, offset, imm)


def xskmap(entries: int) -> int:
    """A map from queues to AF_XDP sockets; its descriptor."""
    return bpf(MAP_CREATE, struct.pack("=5I", BPF_MAP_TYPE_XSKMAP, 4, 4, entries, 0))


def map_update(fd: int, key: int, value: int) -> None:
    k, v = ctypes.c_uint32(key), ctypes.c_uint32(value)
    bpf(MAP_UPDATE_ELEM, struct.pack("=I4xQQQ", fd, ctypes.addressof(k), ctypes.addressof(v), 0))


def redirect_program(map_fd: int) -> int:
    """return bpf_redirect_map(&map, ctx->rx_queue_index, XDP_PASS): to the socket of its queue; without one, up the kernel's stack."""
    program = (insn(0x61, 2, 1, 16)                  # r2 = ctx->rx_queue_index
               + insn(0x18, 1, 1, 0, map_fd) + insn(0)           # r1 = map (BPF_PSEUDO_MAP_FD, two instructions)
               + insn(0xB7, 3, imm=XDP_PASS) + insn(0x85, imm=REDIRECT_MAP) + insn(0x95))
    text, licence = ctypes.create_string_buffer(program, len(program)), ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack("=IIQQIIQII16sII", BPF_PROG_TYPE_XDP, len(program) // 8, ctypes.addressof(text), ctypes.addressof(licence),
                             0, 0, 0, 0, 0, b"rxpath_xdp", 0, BPF_XDP)
    return bpf(PROG_LOAD, attributes)


def attach(program: int, ifindex: int) -> tuple[int, bool]:
    """The program on that device as a link, in its driver if that can, else in front of the stack.  (descriptor, in the driver)."""
    try:
        return bpf(LINK_CREATE, struct.pack("=IIII", program, ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE)), True
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
    return bpf(LINK_CREATE, struct.pack("=IIII", program, ifindex, BPF_XDP, XDP_FLAGS_SKB_MODE)), False
