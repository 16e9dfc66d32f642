"""Dice: the state of a generator is a field, the arithmetic is the same everywhere.  Seed and commit replays a run to the byte.
Generated traffic throws them here, virtual time for services and arrivals (vtime/dice.py)."""
from .._compile import path_function


@path_function
def next_random(x: int) -> int:
    """The next state of a linear congruential generator mod 2^63; its upper half is random enough."""
    return x * 6364136223846793005 + 1442695040888963407 & 0x7FFF_FFFF_FFFF_FFFF


@path_function
def seeded(seed: int) -> int:
    """A first state that differs well for neighbouring seeds."""
    return next_random(next_random(next_random(seed & 0x7FFF_FFFF_FFFF) ^ 0x5DEECE66D))


@path_function
def exponential_of(x: int, mean: int) -> int:
    """von Neumann, 1951: an exponential variate of this mean by comparing uniform ones, from state x.  No logarithm, so no two machines
    differ.  The caller advances its state with exponential_next() of the same x."""
    whole = 0
    while True:
        x = next_random(x)
        first = x >> 31
        last, n = first, 1
        while True:
            x = next_random(x)
            u = x >> 31
            if u >= last:
                break
            last = u
            n += 1
        if n & 1:                                    # a descending run of odd length: accepted
            return mean * whole + (mean * first >> 32)
        whole += 1


@path_function
def exponential_next(x: int) -> int:
    """The state after exponential_of(x, ...)."""
    return next_random(x ^ 0x2545_F491_4F6C_DD1D)
