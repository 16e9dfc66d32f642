"""Mistakes at the face: what the user gave cannot be used.  One clear line, exit 2.  (The other kind, our bugs, is exit 70.)"""


class BadInput(ValueError):
    """A capture, an option or a host that cannot be used.  The text is one line: what is wrong, where, what is allowed."""


def is_bad_input(error: BaseException) -> bool:
    """Is it the user's to mend?  Each room has its own class; all are named here, so that no bug passes for one."""
    if isinstance(error, (BadInput, OSError)):
        return True
    names = {c.__name__ for c in type(error).__mro__}
    return bool(names & {"HostError", "RulesError", "CaptureError", "SetupError", "ProfileError"})


def one_line(error: BaseException) -> str:
    """The text of a mistake, on one line."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
