"""`python -m rxpath.workbench.cli`: the command, also where no script is installed."""
from rxpath.workbench.cli import main

main()
