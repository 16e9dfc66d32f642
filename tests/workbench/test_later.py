"""Modules that the command line's libraries import and hardly use: a stand-in until somebody uses one."""
import subprocess
import sys

import pytest

COMMAND = """
import sys
sys.argv = ["rxpath", *{words!r}]
from rxpath.workbench.cli import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""
STAND_INS = """
import sys, threading
from rxpath.workbench.cli import later
assert not set(later.SELDOM) & set(sys.modules)
later.load_later()
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n" + code], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_small_replay_loads_none_of_them():
    done = subprocess.run([sys.executable, "-c", COMMAND.format(words=["replay", "first", "--no-whatif"])], capture_output=True, text=True)
    found = set(done.stderr.splitlines()[-1].split())
    assert "pydantic.plugin._loader" in found and "typer.main" in found, "who asks for them"
    assert found & {"email", "hmac", "csv", "tempfile", "importlib.metadata._text"} == set()


@pytest.mark.parametrize("use", [
    "import subprocess; print(subprocess.run(['echo', 'yes'], capture_output=True, text=True).stdout.strip())",
    "from subprocess import run, PIPE; print('yes' if PIPE == -1 and callable(run) else 'no')",
    "import importlib.metadata as m; print('yes' if m.version('pydantic') else 'no')",
    "import importlib.metadata; print('yes' if importlib.metadata.version('pydantic') else 'no')",
    "from importlib.metadata import entry_points; print('yes' if entry_points(group='console_scripts') else 'no')",
    "from importlib.metadata import PackageNotFoundError; print('yes' if issubclass(PackageNotFoundError, ImportError) else 'no')",
    "import secrets; print('yes' if 'token_hex' in dir(secrets) and len(secrets.token_hex(4)) == 8 else 'no')",
    "import zipfile; print('yes' if zipfile.is_zipfile('/dev/null') is False else 'no')",
], ids=lambda use: use.split(";")[0])
def test_a_stand_in_is_the_module_as_soon_as_it_is_used(use):
    assert python(STAND_INS + use) == "yes\n"


def test_what_is_set_on_a_stand_in_is_set_on_the_module():
    assert python(STAND_INS + """
import subprocess as held
held.run = lambda *a: "patched"
import subprocess
assert subprocess is not held and subprocess.run() == held.run() == "patched"
del held.run
assert not hasattr(subprocess, "run")
print("yes")""") == "yes\n"


def test_threads_that_use_a_stand_in_at_once_get_one_module():
    assert python(STAND_INS + """
import secrets
found = []
threads = [threading.Thread(target=lambda: found.append(secrets.token_bytes)) for _ in range(16)]
for t in threads:
    t.start()
for t in threads:
    t.join(10)
import secrets
assert len(found) == 16 and set(found) == {secrets.token_bytes}
print("yes")""") == "yes\n"


def test_a_module_that_is_loaded_already_stays():
    assert python("import subprocess as before\nfrom rxpath.workbench.cli import later\nlater.load_later()\n"
                  "import subprocess\nprint('yes' if subprocess is before else 'no')") == "yes\n"
