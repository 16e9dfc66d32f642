"""Conversations over TCP: what their steps are, how they look on the wire, how one is held on either side."""
