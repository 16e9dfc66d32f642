"""lib/siphash.c: SipHash-2-4 (Aumasson, Bernstein 2012) of three or four words, for what a peer must not be able to guess.

A 64-bit word is two halves of 32 bits here, so that no sum leaves 63 bits.  Keys are the rows of net.siphash_key (abi.numbers.Secret):
key[0] low, high, key[1] low, high."""
from .._compile import path_function
from ..abi.net import Net

M32 = 0xFFFF_FFFF


@path_function
def siphash_3u32(net: Net, key: int, first: int, second: int, third: int) -> int:
    return siphash_words(net, key, 3, first, second, third, 0)


@path_function
def siphash_4u32(net: Net, key: int, first: int, second: int, third: int, forth: int) -> int:
    return siphash_words(net, key, 4, first, second, third, forth)


@path_function
def siphash_words(net: Net, key: int, n: int, first: int, second: int, third: int, forth: int) -> int:
    """The lower 63 bits of the hash of n words, 3 or 4."""
    k0l, k0h, k1l, k1h = net.siphash_key[key][0], net.siphash_key[key][1], net.siphash_key[key][2], net.siphash_key[key][3]
    v0l, v0h, v1l, v1h = k0l ^ 0x70736575, k0h ^ 0x736F6D65, k1l ^ 0x6E646F6D, k1h ^ 0x646F7261
    v2l, v2h, v3l, v3h = k0l ^ 0x6E657261, k0h ^ 0x6C796765, k1l ^ 0x79746573, k1h ^ 0x74656462
    pairs = n >> 1
    for word in range(pairs + 2):                    # the pairs, what is left with the length, the finish
        ml, mh, rounds = first, second, 2
        if word == 1 and pairs == 2:
            ml, mh = third, forth
        elif word == pairs:
            ml, mh = third if n == 3 else 0, n << 26             # the length in bytes in the highest byte
        elif word == pairs + 1:
            ml, mh, rounds = 0, 0, 4
            v2l ^= 0xFF
        v3l, v3h = v3l ^ ml, v3h ^ mh
        for _ in range(rounds):
            s = v0l + v1l
            v0l, v0h = s & M32, v0h + v1h + (s >> 32) & M32
            v1l, v1h = (v1l << 13 | v1h >> 19) & M32 ^ v0l, (v1h << 13 | v1l >> 19) & M32 ^ v0h
            v0l, v0h = v0h, v0l
            s = v2l + v3l
            v2l, v2h = s & M32, v2h + v3h + (s >> 32) & M32
            v3l, v3h = (v3l << 16 | v3h >> 16) & M32 ^ v2l, (v3h << 16 | v3l >> 16) & M32 ^ v2h
            s = v0l + v3l
            v0l, v0h = s & M32, v0h + v3h + (s >> 32) & M32
            v3l, v3h = (v3l << 21 | v3h >> 11) & M32 ^ v0l, (v3h << 21 | v3l >> 11) & M32 ^ v0h
            s = v2l + v1l
            v2l, v2h = s & M32, v2h + v1h + (s >> 32) & M32
            v1l, v1h = (v1l << 17 | v1h >> 15) & M32 ^ v2l, (v1h << 17 | v1l >> 15) & M32 ^ v2h
            v2l, v2h = v2h, v2l
        v0l, v0h = v0l ^ ml, v0h ^ mh
    return (v0h ^ v1h ^ v2h ^ v3h) << 32 & 0x7FFF_FFFF_0000_0000 | v0l ^ v1l ^ v2l ^ v3l
