"""Structs: what is declared with a field is what memory holds, in both worlds; a struct that is used again is as a new one."""
import ctypes

import pytest

from rxpath._compile import Array, Overlay, array, functions, i32, i64, init_struct, new, reset_struct, struct, table, u8
from rxpath.abi.net import Net
from rxpath.abi.skbuff import ICMP_SKB_CB, IPCB, sk_buff
from rxpath.boot import Booted
from rxpath.user import socket as sockets


@struct()
class inner:
    zero: i64
    next: i32 = -1


@struct(align=64)
class outer:
    small: u8 = 200
    big: i64 = 1 << 40
    numbers: Array[i64] = array(3, init=7)
    locks: Array[inner] = table(2)
    one: inner
    later: Array[inner] = table(2, taken_later=True)


def used(kind):
    s = new(kind)
    ctypes.memset(ctypes.addressof(s), 0xA5, ctypes.sizeof(s))
    return s


def test_fields_begin_as_declared():
    s = new(outer)
    init_struct(s)
    assert (s.small, s.big, list(s.numbers), s.one.zero, s.one.next) == (200, 1 << 40, [7, 7, 7], 0, -1)
    assert [x.next for x in s.locks] == [-1, -1]
    assert [x.next for x in s.later] == [0, 0], "whoever takes one initialises it"


def test_a_struct_that_is_used_again_is_as_a_new_one_to_the_byte():
    s, fresh = used(outer), new(outer)
    init_struct(fresh)
    reset_struct(s)
    assert bytes(s) == bytes(fresh)


def test_an_array_of_numbers_holds_wide_ones():
    with pytest.raises(TypeError, match=r"narrow\.a: an array of numbers holds i64"):
        @struct()
        class narrow:
            a: Array[i32] = array(2)


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_every_struct_that_the_path_takes_again_is_as_a_new_one(plain):
    """Bytes of any kind are left over from before: only what says which one it is differs."""
    b = Booted(plain=plain)
    i = sockets.create(b)
    fresh = bytes(b.net.socks[i])
    sockets.bind(b, i, 0, 53)
    sockets.close(b, i)
    ctypes.memset(ctypes.addressof(b.net.socks[i]), 0xA5, ctypes.sizeof(b.net.socks[i]))
    gen = b.net.socks[i].gen
    b.net.socks[i].hnext4 = -1                       # its link in the list of free ones
    assert sockets.create(b) == i
    assert b.net.socks[i].gen == gen, "a packet that is on its way to the old one must not find it"
    b.net.socks[i].gen = 0
    assert bytes(b.net.socks[i]) == fresh


def test_boot_is_the_same_compiled_and_plain():
    compiled, plain = Booted().net, Booted(plain=True).net
    for name in ("mem_addr", "feed_addr", "out_addr"):
        setattr(compiled, name, 0)
        setattr(plain, name, 0)
    for name, _ in Net._fields_:
        at = getattr(Net, name)
        if at.size < 1 << 24:                        # the huge ones are not touched at boot
            a, p = (bytes((ctypes.c_char * at.size).from_buffer(net, at.offset)) for net in (compiled, plain))
            assert a == p, name


def test_a_control_block_lies_in_its_packet_and_fits_there():
    skb = new(sk_buff)
    cb = ICMP_SKB_CB(skb)
    cb.info = 0xFF00_0000
    cb.header.understood = 7
    assert (IPCB(skb).understood, ICMP_SKB_CB(skb).info, skb.gro_age, skb.nf_rule) == (7, 0xFF00_0000, 0, 0)

    @struct()
    class long_cb:
        words: Array[i64] = array(5)
    with pytest.raises(TypeError, match=r"long_cb has 40 bytes, sk_buff\.cb 32"):
        Overlay(sk_buff, "cb", long_cb)


def test_a_bool_that_an_entry_takes_is_as_wide_as_an_int():
    """The compiled function reads all 64 bits of it."""
    assert ctypes.sizeof(functions._ctype(bool)) == 8 == ctypes.sizeof(functions._ctype(int))
