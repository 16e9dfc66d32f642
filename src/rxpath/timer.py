"""kernel/time/timer.c and hrtimer.c: arming timers and taking them off; any station may.  irq/timer.py lets them go off.

A timer hangs on the wheel of the CPU that armed it, in a bucket of one of nine levels, each eight times as coarse as the one below; it goes
off with its bucket, late by up to an eighth of its time-out.  Of one bucket the newest goes off first.

Before 4.8 (behaviour timer_buckets off) a level was 64 times as coarse as the one below and its buckets were distributed anew
(cascade) when their time had come, so that each timer went off at its own jiffy, the oldest of one jiffy first; mod_timer() allowed
itself a slack of 1/256 to a rounder jiffy.

Other CPUs may take a timer off this CPU's wheel or find it there: whoever arms or deletes one runs in clock order.  The driver of time
learns through Note.TIMER that a CPU's next timer has come nearer."""
from ._compile import cold, path_function
from .abi.kernels import Behaviour, Sysctl
from .abi.net import Net
from .abi.numbers import NEVER, NO_TIMER, Note
from .abi.timer import EXPIRING, LVL_BITS, LVL_CLK_SHIFT, LVL_DEPTH, LVL_SIZE, timer_base, timer_list
from .turn import tell_driver

LVL_MASK, LVL_CLK_MASK = LVL_SIZE - 1, (1 << LVL_CLK_SHIFT) - 1
LVL_START = LVL_SIZE - 1                                # jiffies; what is further away goes a level up
WHEEL_TIMEOUT_MAX = (LVL_START << LVL_CLK_SHIFT * (LVL_DEPTH - 1)) - 1
TVR_BITS, TVN_BITS, TVN_DEPTH = 8, 6, 5                 # before 4.8: 256 buckets of a jiffy, four levels of 64
TVR_SIZE, TVN_SIZE = 1 << TVR_BITS, 1 << TVN_BITS


@path_function
def jiffies(net: Net, cpu: int) -> int:
    """Asked several times for each segment.  Division by a number that the compiler knows, HZ of 250 and of 1000, is a multiplication."""
    c, jiffy_ns = net.cpu[cpu], net.sysctl[Sysctl.jiffy_ns]
    if jiffy_ns == 4_000_000:
        return c.now // 4_000_000
    if jiffy_ns == 1_000_000:
        return c.now // 1_000_000
    return c.now // jiffy_ns


# ---------------------------------------------------------------- the timers of a bucket
@path_function
def enqueue_timer(net: Net, base: timer_base, i: int, bucket: int) -> None:
    """In front of the others of its bucket; before 4.8 behind them."""
    timer, word, bit = net.timers[i], bucket >> LVL_BITS, 1 << (bucket & LVL_MASK)
    timer.bucket, timer.pending = bucket, 1
    if base.pending_map[word] & bit == 0:
        base.pending_map[word] |= bit
        base.vectors[bucket] = i
        timer.next, timer.prev = NO_TIMER, i
        return
    first = net.timers[base.vectors[bucket]]
    timer.prev = first.prev
    if net.behaviour[Behaviour.timer_buckets]:
        timer.next = base.vectors[bucket]
        base.vectors[bucket] = i
    else:
        timer.next = NO_TIMER
        last = net.timers[first.prev]
        last.next = i
    first.prev = i


@path_function
def detach_timer(net: Net, i: int) -> None:
    """The wheel may still call for a bucket that is empty by then, as the kernel's does."""
    timer = net.timers[i]
    base, bucket = net.timer_bases[timer.cpu], timer.bucket
    timer.pending = 0
    if base.vectors[bucket] != i:
        before = net.timers[timer.prev]
        before.next = timer.next
        after = net.timers[timer.next if timer.next >= 0 else base.vectors[bucket]]
        after.prev = timer.prev
    elif timer.next >= 0:
        heir = net.timers[timer.next]
        heir.prev = timer.prev
        base.vectors[bucket] = timer.next
    else:
        base.pending_map[bucket >> LVL_BITS] &= ~(1 << (bucket & LVL_MASK))


@path_function
def bucket_first(base: timer_base, bucket: int) -> int:
    """NO_TIMER: it is empty."""
    if base.pending_map[bucket >> LVL_BITS] >> (bucket & LVL_MASK) & 1:
        return base.vectors[bucket]
    return NO_TIMER


# ---------------------------------------------------------------- which bucket
@path_function
def calc_wheel_index(net: Net, base: timer_base, timer: timer_list) -> int:
    """The bucket for timer.expires as the wheel stands; timer.goes_off becomes that bucket's jiffy."""
    delta = timer.expires - base.clk
    if net.behaviour[Behaviour.timer_buckets] == 0:
        return tv_index(base, timer, delta)
    if delta < 0:
        timer.goes_off = base.clk
        return base.clk & LVL_MASK
    expires = base.clk + min(delta, WHEEL_TIMEOUT_MAX)
    level, shift, limit = 0, 0, LVL_START
    while delta >= limit and level < LVL_DEPTH - 1:
        level += 1
        shift += LVL_CLK_SHIFT
        limit <<= LVL_CLK_SHIFT
    at = (expires >> shift) + 1                             # rounded up: never early
    timer.goes_off = at << shift
    return level << LVL_BITS | at & LVL_MASK


@cold
@path_function
def tv_index(base: timer_base, timer: timer_list, delta: int) -> int:
    """internal_add_timer() before 4.8."""
    timer.goes_off = max(timer.expires, base.clk)
    if delta < TVR_SIZE:
        return timer.goes_off & TVR_SIZE - 1
    level, shift = 1, TVR_BITS
    while delta >> shift + TVN_BITS and level < TVN_DEPTH - 1:
        level += 1
        shift += TVN_BITS
    return TVR_SIZE + (level - 1) * TVN_SIZE + (timer.goes_off >> shift & TVN_SIZE - 1)


@path_function
def forward_timer_base(net: Net, base: timer_base, now: int) -> None:
    """The wheel moves on to jiffy `now`, but over no bucket that is still to go off."""
    if now <= base.clk:
        return
    to = min(now, base.next_expiry)
    if net.behaviour[Behaviour.timer_buckets]:
        base.clk = to
    else:
        cascade_to(net, base, to)


@cold
@path_function
def cascade_to(net: Net, base: timer_base, to: int) -> None:
    """Before 4.8: each time that the lowest level has gone round, the next bucket above is distributed, and so on upwards."""
    while True:
        shift, first = TVR_BITS, TVR_SIZE
        while base.clk & (1 << shift) - 1 == 0 and first < TVR_SIZE + (TVN_DEPTH - 1) * TVN_SIZE:
            bucket = first + (base.clk >> shift & TVN_SIZE - 1)
            i = bucket_first(base, bucket)
            base.pending_map[bucket >> LVL_BITS] &= ~(1 << (bucket & LVL_MASK))
            while i >= 0:
                timer = net.timers[i]
                following = timer.next
                enqueue_timer(net, base, i, calc_wheel_index(net, base, timer))
                i = following
            shift += TVN_BITS
            first += TVN_SIZE
        if base.clk == to:
            return
        base.clk = min(to, (base.clk | TVR_SIZE - 1) + 1)


@path_function
def apply_slack(expires: int, now: int) -> int:
    """Before 4.8: up to 1/256 later, if that jiffy has more zeros at its end."""
    delta = expires - now
    if delta < 256:
        return expires
    limit, bit = expires + delta // 256, 0
    while (expires ^ limit) >> bit + 1:
        bit += 1
    return limit >> bit << bit


# ---------------------------------------------------------------- what stations call
@path_function
def timer_setup(net: Net, i: int, function: int, data: int) -> None:
    """What timer i does when it goes off: function(net, cpu, data), of the timer_function table."""
    timer = net.timers[i]
    timer.function, timer.data = function, data


@path_function
def mod_timer(net: Net, cpu: int, i: int, expires: int) -> None:
    """Timer i goes off at jiffy `expires` or, the wheel being coarse, later; wherever it was before.  One that would come into the bucket
    in which it is stays there, on its old CPU and in its old place."""
    timer, base, now = net.timers[i], net.timer_bases[cpu], jiffies(net, cpu)
    if net.behaviour[Behaviour.timer_buckets] == 0:
        expires = apply_slack(expires, now)
    if timer.pending:
        if timer.expires == expires:
            return
        timer.expires = expires
        if net.behaviour[Behaviour.timer_buckets]:
            old = net.timer_bases[timer.cpu]
            forward_timer_base(net, old, now)
            if calc_wheel_index(net, old, timer) == timer.bucket:
                return
        detach_timer(net, i)
    timer.expires, timer.cpu = expires, cpu
    forward_timer_base(net, base, now)
    enqueue_timer(net, base, i, calc_wheel_index(net, base, timer))
    if timer.goes_off < base.next_expiry:
        base.next_expiry = timer.goes_off
        c, at = net.cpu[cpu], timer.goes_off * net.sysctl[Sysctl.jiffy_ns]
        if at < c.next_timer:
            c.next_timer = at
            tell_driver(net, cpu, Note.TIMER, cpu)


@path_function
def timer_delete(net: Net, i: int) -> None:
    timer = net.timers[i]
    if timer.pending:
        detach_timer(net, i)


# ---------------------------------------------------------------- what is due, and what next: called by irq/timer.py
@path_function
def collect_expired_timers(net: Net, base: timer_base) -> None:
    """The wheel stands at its next_expiry: the buckets of that jiffy, the coarsest first, become the list of those that go off."""
    if net.behaviour[Behaviour.timer_buckets]:
        base.clk = base.next_expiry
        clk, level = base.clk, 0
        while level < LVL_DEPTH:
            expire_bucket(net, base, level << LVL_BITS | clk & LVL_MASK)
            if clk & LVL_CLK_MASK:
                break
            clk >>= LVL_CLK_SHIFT
            level += 1
    else:
        cascade_to(net, base, base.next_expiry)
        expire_bucket(net, base, base.clk & TVR_SIZE - 1)
    base.clk += 1                                           # what is armed for this jiffy from now on goes off at the next
    base.next_expiry = timer_next_expiry(net, base)


@path_function
def expire_bucket(net: Net, base: timer_base, bucket: int) -> None:
    """All of it to the front of EXPIRING, in its order."""
    i = bucket_first(base, bucket)
    if i < 0:
        return
    base.pending_map[bucket >> LVL_BITS] &= ~(1 << (bucket & LVL_MASK))
    first, behind = net.timers[i], bucket_first(base, EXPIRING)
    tail = first.prev
    if behind >= 0:
        last, heir = net.timers[tail], net.timers[behind]
        last.next, first.prev, heir.prev = behind, heir.prev, tail
    base.pending_map[EXPIRING >> LVL_BITS] |= 1
    base.vectors[EXPIRING] = i
    while i != behind:
        timer = net.timers[i]
        timer.bucket = EXPIRING
        i = timer.next


@path_function
def timer_next_expiry(net: Net, base: timer_base) -> int:
    """The jiffy of the first bucket that is not empty, NEVER.  Looked for level by level, from where the wheel stands."""
    if net.behaviour[Behaviour.timer_buckets] == 0:
        return tv_next_expiry(net, base)
    soonest, clk = NEVER, base.clk
    for level in range(LVL_DEPTH):
        if base.pending_map[level]:
            for k in range(LVL_SIZE):
                i = bucket_first(base, level << LVL_BITS | clk + k & LVL_MASK)
                if i >= 0:
                    timer = net.timers[i]
                    soonest = min(soonest, timer.goes_off)
                    break
        clk = clk + LVL_CLK_MASK >> LVL_CLK_SHIFT
    return soonest


@cold
@path_function
def tv_next_expiry(net: Net, base: timer_base) -> int:
    """Before 4.8: the bucket of a higher level holds timers of many jiffies."""
    soonest, first, size, shift = NEVER, 0, TVR_SIZE, 0
    while first < TVR_SIZE + (TVN_DEPTH - 1) * TVN_SIZE:
        clk = base.clk + (1 << shift) - 1 >> shift
        if soonest <= clk << shift:                         # what hangs higher comes later
            break
        for k in range(size):
            i = bucket_first(base, first + (clk + k & size - 1))
            if i >= 0:
                while i >= 0:
                    timer = net.timers[i]
                    soonest = min(soonest, timer.goes_off)
                    i = timer.next if shift else NO_TIMER   # those of the lowest level are of one jiffy
                break
        first += size
        size = TVN_SIZE
        shift += TVN_BITS if shift else TVR_BITS
    return soonest


# ---------------------------------------------------------------- hrtimer.c
@path_function
def hrtimer_setup(net: Net, i: int, function: int, data: int) -> None:
    """What hrtimer i does when it goes off: function(net, cpu, data), of the hrtimer_function table."""
    timer = net.hrtimers[i]
    timer.function, timer.data = function, data


@path_function
def hrtimer_start(net: Net, cpu: int, i: int, expires: int) -> None:
    """HRTIMER_MODE_PINNED: on this CPU at `expires` ns, wherever it was before; of two at one time the one that was started first."""
    c, timer = net.cpu[cpu], net.hrtimers[i]
    hrtimer_cancel(net, i)
    before, j = NO_TIMER, c.first_hrtimer
    while j >= 0:
        other = net.hrtimers[j]
        if other.expires > expires:
            break
        before = j
        j = other.next
    timer.expires, timer.cpu, timer.pending, timer.next = expires, cpu, 1, j
    if before >= 0:
        earlier = net.hrtimers[before]
        earlier.next = i
    else:
        c.first_hrtimer = i
        tell_driver(net, cpu, Note.TIMER, cpu)


@path_function
def hrtimer_cancel(net: Net, i: int) -> None:
    """A CPU on which it was the next may still be interrupted for it, as in the kernel."""
    gone = net.hrtimers[i]
    if gone.pending == 0:
        return
    gone.pending = 0
    c = net.cpu[gone.cpu]
    if c.first_hrtimer == i:
        c.first_hrtimer = gone.next
        return
    before = net.hrtimers[c.first_hrtimer]
    while before.next != i:
        before = net.hrtimers[before.next]
    before.next = gone.next


@path_function
def hrtimer_next(net: Net, cpu: int) -> int:
    """ns at which the first hrtimer of this CPU goes off, NEVER."""
    c = net.cpu[cpu]
    if c.first_hrtimer < 0:
        return NEVER
    timer = net.hrtimers[c.first_hrtimer]
    return timer.expires
