"""Live hosts against the real kernel: each test file runs its kernel's side in a network namespace of its own."""
