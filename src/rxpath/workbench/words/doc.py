"""What a field of a result means, said where it is declared: docs/json.md and replay.schema.json are made of it."""
from typing import Any

from pydantic import Field


def doc(text: str, **more: Any) -> Any:
    """frames: Annotated[int, doc("frames of the wire")].  more: words of JSON Schema."""
    return Field(description=text, json_schema_extra=more or None)
