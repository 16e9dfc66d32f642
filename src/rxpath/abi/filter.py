"""Classic BPF: include/uapi/linux/filter.h and bpf_common.h.  A program is a row of sock_filter; jumps count from the next one."""
from .._compile import i32, i64, struct

BPF_MAXINSNS, BPF_MEMWORDS = 4096, 16
NBPF = 65536                    # instructions of all programs

# code & 7: the class
BPF_LD, BPF_LDX, BPF_ST, BPF_STX, BPF_ALU, BPF_JMP, BPF_RET, BPF_MISC = range(8)
BPF_W, BPF_H, BPF_B = 0x00, 0x08, 0x10                  # of a load: its size
BPF_IMM, BPF_ABS, BPF_IND, BPF_MEM, BPF_LEN, BPF_MSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0       # and where from
BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_NEG, BPF_MOD, BPF_XOR = range(0x00, 0xB0, 0x10)
BPF_JA, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET = range(0x00, 0x50, 0x10)
BPF_K, BPF_X, BPF_A = 0x00, 0x08, 0x10
BPF_TAX, BPF_TXA = 0x00, 0x80

# What is at SKF_AD_OFF + n: of the packet, not in it
SKF_AD_OFF, SKF_NET_OFF, SKF_LL_OFF = -0x1000, -0x100000, -0x200000
SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_IFINDEX, SKF_AD_MARK, SKF_AD_RXHASH, SKF_AD_CPU, SKF_AD_ALU_XOR_X = 0, 4, 8, 20, 32, 36, 40
SKF_AD_RANDOM = 56
SKF_AD_MODELLED = (SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_IFINDEX, SKF_AD_MARK, SKF_AD_RXHASH, SKF_AD_CPU, SKF_AD_ALU_XOR_X,
                   SKF_AD_RANDOM)
SKF_AD_MAX = 64


@struct()
class sock_filter:
    """code; how many to skip when a jump's condition holds, and when not; a number."""
    code: i32
    jt: i32
    jf: i32
    k: i64                      # unsigned 32 bits
