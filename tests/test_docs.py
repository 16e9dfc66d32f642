"""Pages that are made from the code say what the code says."""
import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent


def test_pages_made_from_the_code_are_up_to_date():
    from rxpath.workbench.views.doc_pages import pages
    for name, page in pages(ROOT / "docs").items():
        assert (ROOT / "docs" / name).read_text() == page, "python -m rxpath.workbench.views.doc_pages docs"


def test_the_schema_of_json_is_made_from_the_shapes_of_the_results():
    from rxpath.workbench.views.doc_pages import SCHEMA
    from rxpath.workbench.views.json_shape import schema
    assert SCHEMA.read_text() == schema(), "python -m rxpath.workbench.views.doc_pages docs"


def test_links_between_pages_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_every_room_has_a_page():
    for room in ("compile", "abi", "cable", "drivers", "irq", "link", "network", "transport", "user", "vtime", "walltime", "workbench"):
        assert (ROOT / "docs" / "rooms" / f"{room}.md").exists(), room
