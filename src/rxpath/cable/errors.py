"""What the cable says of bad input."""


class CaptureError(Exception):
    """The capture cannot be used; the text says why in one line."""
