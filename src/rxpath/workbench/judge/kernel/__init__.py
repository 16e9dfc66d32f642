"""A case on the real kernel: machine.py runs it in namespaces (netns.py), tracing.py sees drops, undo.py puts everything back."""
