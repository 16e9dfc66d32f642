"""Back ends: where live frames come from and go to.  Each is useful alone, without the rest of rxpath: `rxpath.tap`, `rxpath.packet`,
`rxpath.xdp` are their public names.  All have the face of face.py: pull a batch, transmit, what it can, what it has lost."""
