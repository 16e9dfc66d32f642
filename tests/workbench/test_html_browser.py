"""The page of a run as somebody uses it: with the mouse, the keyboard, a screen reader, on a phone, without scripts, on paper."""
import re
import shutil

import pytest

import rxpath
from rxpath.workbench.views.html.report import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here")
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="no chromium here"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    run = rxpath.replay("first", record=True)
    answer = rxpath.whatif("first", budget="500k", seeds=1, jobs=1).whatif
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(report(run, answer, "rxpath replay first --html report.html",
                           ("with it", rxpath.replay("first", overrides="net.core.rmem_default=1703936"))))
    return file.as_uri()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser, address, request):
    context = browser.new_context(**getattr(request, "param", {"viewport": {"width": 1000, "height": 900}}))
    opened = context.new_page()
    said, fetched = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda asked: fetched.append(asked.url))
    opened.goto(address)
    yield opened
    context.close()
    assert said == [] and fetched == [address]


def views(page) -> list[tuple[float, float]]:
    """Beginning and length of what each time chart shows, us."""
    boxes = [plot.get_attribute("viewBox").split() for plot in page.locator("svg.time svg.plot").all()]
    return [(float(box[0]), float(box[2])) for box in boxes]


def test_a_stretch_that_is_dragged_over_is_shown_by_every_time_chart(page):
    whole = views(page)
    assert len(whole) == 4 and len(set(whole)) == 1
    page.locator("#queues svg.time").scroll_into_view_if_needed()
    box = page.locator("#queues svg.time").bounding_box()
    plot = lambda share: box["x"] + box["width"] * (64 + share * 880) / 960           # noqa: E731
    y = box["y"] + box["height"] / 2
    page.mouse.move(plot(0.2), y)
    page.mouse.down()
    page.mouse.move(plot(0.3), y)
    page.mouse.up()
    zoomed = views(page)
    assert len(set(zoomed)) == 1
    begin, length = zoomed[0]
    assert abs(begin / whole[0][1] - 0.2) < 0.01 and abs(length / whole[0][1] - 0.1) < 0.01
    page.mouse.dblclick(plot(0.5), y)
    assert views(page) == whole


def test_the_keyboard_zooms_moves_and_reads_out(page):
    whole = views(page)[0]
    page.locator("#cpus svg.time").first.focus()
    page.keyboard.press("+")
    assert views(page)[0][1] < whole[1] and len(set(views(page))) == 1
    page.keyboard.press("Escape")
    assert views(page)[0] == whole
    for _ in range(21):
        page.keyboard.press("ArrowRight")
    said = page.locator("[role=status]").inner_text()
    assert re.fullmatch(r"[0-9.]+ m?s: fullest is .*, [0-9.]+ % of its limit", said), said
    assert page.locator("#queues .q.on").count() == 1


def test_who_cannot_see_it_is_told_what_each_picture_is(page):
    tree = page.locator("main").aria_snapshot()
    for heading in ("Where the frames went", "How full the queues were", "What the CPUs did", "How long it took",
                    "What would have saved them", "Whose frames were lost", "On what this rests"):
        assert f'heading "{heading}"' in tree, heading
    assert "image" in tree or "img" in tree
    assert len(re.findall("- '?application", tree)) == 4 and "status" in tree
    page.locator("#queues summary").click()
    assert page.locator("#queues table").is_visible() and page.locator("#queues th[scope=col]").count() == 5


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}], indirect=True,
                         ids=["phone"])
def test_a_phone_scrolls_pictures_and_not_the_page(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#queues svg.time").bounding_box()["width"] >= 700, "letters stay large enough to be read"


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True, ids=["no-scripts"])
def test_without_scripts_every_picture_is_there(page):
    assert page.locator("figure svg").count() >= 10 and page.locator("#queues .ticks text").count() > 3
    page.locator("#funnel summary").click()
    assert page.locator("#funnel table").is_visible()


@pytest.mark.parametrize("page", [{"color_scheme": "dark"}], indirect=True, ids=["dark"])
def test_dark_and_paper(page):
    def ground() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert ground() == "rgb(20, 24, 29)"
    page.emulate_media(media="print")
    assert ground() == "rgb(255, 255, 255)", "paper is white"


def contrast(one: str, other: str) -> float:
    """WCAG 2's, of two colours as a browser says them."""
    def light(colour: str) -> float:
        parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_text_stands_out_from_its_ground(page):
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for selector, how in (("body", "color"), ("figcaption p", "color"), (".axis", "fill"), (".losst", "fill"), (".othert", "fill"),
                          (".usedt", "fill"), (".limitt", "fill")):
        colour = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{how}")
        assert contrast(colour, ground) >= 4.5, (selector, colour, ground, contrast(colour, ground))


def test_it_opens_quickly(page):
    """Of the browser's own time, in ms."""
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    assert timing["domComplete"] - timing["responseEnd"] < 2000
