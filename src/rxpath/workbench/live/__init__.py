"""Live hosts from the command line: the laboratory of `rxpath lab`, the program of `rxpath run`, and what is said of a host that runs."""
