"""Pages that are made from the code say what the code says."""
import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent


def test_the_kernel_map_is_what_the_code_says():
    from rxpath.workbench.kernel_map import markdown
    assert (ROOT / "docs" / "kernel-map.md").read_text() == markdown(), "python -m rxpath.workbench.kernel_map > docs/kernel-map.md"


def test_links_between_pages_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_every_room_has_a_page():
    for room in ("compile", "abi", "cable", "drivers", "irq", "link", "network", "transport", "user", "vtime", "walltime", "workbench"):
        assert (ROOT / "docs" / "rooms" / f"{room}.md").exists(), room


def test_every_drop_reason_and_kernel_difference_is_in_the_docs():
    from rxpath.abi.kernels import Behaviour
    from rxpath.abi.reasons import Drop
    reasons = (ROOT / "docs" / "drop-reasons.md").read_text()
    assert not [r.name for r in Drop if r != Drop.NOT_DROPPED_YET and f"`{r.name}`" not in reasons]
    kernels = (ROOT / "docs" / "kernels.md").read_text()
    assert not [b.name for b in Behaviour if f"`{b.name}`" not in kernels]
