"""The errno of a call, as the exception that Python has for it."""
import errno


def error(number: int, what: str) -> OSError:
    return OSError(number, f"{what}: {errno.errorcode[number]}")


def check(r: int, what: str) -> int:
    """What a call has returned, or its errno as an exception."""
    if r < 0:
        raise error(-r, what)
    return int(r)
