"""Shapes that must come out of the path by themselves, ours beside the published: `rxpath shapes`, docs/shapes.md.

shape.py says what a shape is; overload.py, costs.py, waiting.py, receivers.py have them; run.py runs them."""
