"""Shapes that must come out of the path by themselves, ours beside the published: each module runs steps and returns rows."""
