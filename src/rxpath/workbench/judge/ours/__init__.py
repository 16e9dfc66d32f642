"""The same case through the path, compiled or plain: machine.py."""
