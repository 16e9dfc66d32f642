"""Host files made of what a host says of itself."""
