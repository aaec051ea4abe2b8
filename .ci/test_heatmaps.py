"""The heatmap explorer in JupyterLab: every gesture of mouse and keyboard, both themes, four widths, milliseconds."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from test_browser import (
    CHROMIUM,
    changed_picture,
    chromium,
    jupyterlab,
    kernel_errors,
    move_slider,
    open_notebook,
    picture,
    ran_through,
    redrawn,
    until,
    wait_idle,
    widget,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (on Debian: apt-get install chromium)")
CELLS = (
    "import tempfile\nfrom patchcore_nb import Geometry, HeatmapExplorer, MVTecAD, PatchCore, make_demo",
    """sizes = dict(n_train=12, n_good=8, n_defect=3, progress=False)
flange = MVTecAD(make_demo(tempfile.mkdtemp(), ('flange',), **sizes), 'flange', Geometry(160))
model = PatchCore('loupe', coreset=0.1, progress=False).set_params(scoring__sigma=4.25).fit(flange.train)""",
    "HeatmapExplorer(model, flange.test)",
)
PARTS = {
    "pictures": ".patchcore-overlay img",
    "photograph": ".patchcore-photograph img",
    "slider": ".patchcore-explorer input[aria-label=Threshold]",
    "strip": ".patchcore-strip svg",
    "counts": ".patchcore-explorer table",
    "source of the threshold": ".patchcore-told",
}


@contextmanager
def served():
    "Address of a JupyterLab with a notebook that shows the explorer."
    nbformat = pytest.importorskip("nbformat")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), Path(folder) / "heatmaps.ipynb")
        with jupyterlab(folder) as url:
            yield url


@pytest.fixture(scope="module")
def lab():
    "Address of that JupyterLab, for all tests."
    with served() as url:
        yield url


def at_top(page):
    "Bring the explorer to the top of its notebook."
    page.locator(".patchcore-explorer > *").first.evaluate("row => row.scrollIntoView({ block: 'start' })")
    page.wait_for_timeout(300)


def boxes(page):
    "Where the parts of the explorer lie on the page, and the part of the page that a notebook has."
    panel = page.locator(".jp-NotebookPanel-notebook").bounding_box()
    return {name: page.locator(place).first.bounding_box() for name, place in PARTS.items()}, panel


def hidden(page):
    "Parts of the explorer that are not in view as a whole."
    found, panel = boxes(page)
    return [
        name
        for name, box in found.items()
        if box["y"] < panel["y"] - 1
        or box["x"] < panel["x"]
        or box["y"] + box["height"] > panel["y"] + panel["height"]
        or box["x"] + box["width"] > panel["x"] + panel["width"]
    ]


def chosen(page):
    "What a screen reader says of the dot of the image that is shown, such as `scratch/000.png: 2.31, found`."
    return page.locator(".patchcore-strip [aria-selected=true]").get_attribute("aria-label")


def dots(page):
    "Names of all dots, and where the middle of each lies on the page."
    return page.eval_on_selector_all(
        ".patchcore-strip [role=option]",
        """dots => dots.map(dot => { const b = dot.getBoundingClientRect()
            return [dot.getAttribute('aria-label'), b.left + b.width / 2, b.top + b.height / 2] })""",
    )


def threshold(page):
    "The threshold that the line tells, which the readout of the slider tells, too."
    value = float(page.locator(".patchcore-strip [role=slider]").get_attribute("aria-valuenow"))
    shown = page.get_by_label("Threshold").and_(page.locator("input")).get_attribute("aria-valuetext")
    assert abs(float(shown) - value) <= 0.006 * value, (shown, value)
    return value


def choose(page, label, option):
    "Choose an option of a dropdown."
    widget(page, "dropdown", label).locator("select").select_option(label=option)
    wait_idle(page)


def test_everything_is_in_view(lab):
    "Pictures, slider, strip and counts stand together at 1300 x 800, with the side bar and without; screenshots."
    with chromium() as (page, errors):
        page.set_viewport_size({"width": 1300, "height": 800})
        open_notebook(page, lab, "heatmaps.ipynb")
        ran_through(page)
        for bar in ("collapseLeft", "expandLeft"):
            page.evaluate(f"() => window.jupyterapp.shell.{bar}()")
            at_top(page)
            until(lambda: not hidden(page), 5)
            page.screenshot(path=ROOT / f"browser/heatmaps-1300-{bar}.png")
        page.locator(PARTS["pictures"]).click(position={"x": 90, "y": 90})
        page.get_by_text("Nearest good patches").wait_for()
        at_top(page)
        assert not hidden(page)
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        for theme in ("Light", "Dark"):
            change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
            page.evaluate(change, f"JupyterLab {theme}")
            page.wait_for_timeout(500)
            light = page.locator(".patchcore-strip text").first.evaluate(
                "text => getComputedStyle(text).fill.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)"
            )
            assert (light > 500) == (theme == "Dark"), f"{theme}: letters of brightness {light} of 765"
            for width, height in ((332, 1700), (900, 800), (1300, 800), (1600, 900)):
                page.set_viewport_size({"width": width, "height": height})
                at_top(page)
                found, panel = boxes(page)
                assert all(b["x"] + b["width"] <= panel["x"] + panel["width"] for b in found.values()), (width, found)
                assert width < 900 or not hidden(page)
                page.screenshot(path=ROOT / f"browser/heatmaps-{width}-{theme.lower()}.png")
        assert not kernel_errors(page) and not errors


def test_gestures(lab):
    "Dots, line, keys, order, filter, pixel and rate do what they say, and what screen readers are told is true."
    with chromium() as (page, errors):
        page.set_viewport_size({"width": 1300, "height": 800})
        open_notebook(page, lab, "heatmaps.ipynb")
        ran_through(page)
        at_top(page)
        overlay = page.locator(PARTS["pictures"])
        names = [name.split(":")[0] for name, _, _ in dots(page)]
        by_value = sorted(dots(page), key=lambda dot: -dot[1])
        assert chosen(page) == by_value[0][0]  # the highest value comes first
        kinds = "button, select, input, " + ", ".join(
            f"[role={kind}]" for kind in ("button", "slider", "listbox", "option")
        )
        silent = """parts => parts.filter(part => part.offsetParent !== null || part.ownerSVGElement).filter(part =>
            !(part.ariaLabel || part.alt || part.textContent.trim() || part.labels?.length || part.ariaValueText))"""
        assert not page.eval_on_selector_all(
            f".patchcore-explorer :is({kinds})", f"parts => ({silent})(parts).map(part => part.outerHTML)"
        )

        name, x, y = by_value[5]  # a click on a dot
        before = picture(overlay)
        page.mouse.move(x, y)
        assert name in page.locator(".patchcore-strip").text_content()  # the words beside the mouse
        page.mouse.click(x, y)
        changed_picture(overlay, before)
        until(lambda: chosen(page) == name)

        overlay.focus()  # keys
        for key, way in (("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", -1)):
            at = [dot[0] for dot in by_value].index(chosen(page))
            overlay.press(key)
            until(lambda: chosen(page) == by_value[at + way][0])  # noqa: B023 (it is called at once)
        for key in "nnp":
            before = chosen(page)
            overlay.press(key)
            until(lambda: chosen(page) != before)  # noqa: B023 (it is called at once)
            assert not chosen(page).startswith("good/")
            wait_idle(page)

        line = page.locator(".patchcore-strip [role=slider]")  # the line is dragged, then moved with a key
        box, before, was = line.bounding_box(), picture(overlay), threshold(page)
        middle = box["x"] + box["width"] / 2
        page.mouse.move(middle, box["y"] + 3)
        page.mouse.down()
        page.mouse.move(middle + 40, box["y"] + 3, steps=5)
        page.mouse.move(middle + 80, box["y"] + 3, steps=5)
        page.mouse.up()
        changed_picture(overlay, before)
        wait_idle(page)
        assert (dragged := threshold(page)) > was
        line.focus()
        line.press("ArrowLeft")
        wait_idle(page)
        assert threshold(page) < dragged
        flagged = sum(dot[0].endswith((", found", ", over-flagged")) for dot in dots(page))
        words = line.get_attribute("aria-valuetext").replace(":", "").split()
        assert flagged == int(words[1]) + int(words[words.index("and") + 1])

        choose(page, "Show", "missed")
        until(lambda: chosen(page).endswith(", missed"))
        choose(page, "Order", "name")
        choose(page, "Show", "all")
        until(lambda: widget(page, "dropdown", "Image").locator("option").all_text_contents() == names)
        choose(page, "False alarms", "5 %")
        told = page.locator(".patchcore-told")
        until(lambda: "at least 19 images are needed; from 8 good images" in told.text_content())
        wait_idle(page)
        assert "from 8 good images" in told.text_content()  # what a page sends back when its slider moves is no hand
        page.locator(PARTS["slider"]).press("ArrowLeft")
        until(lambda: "set by hand" in told.text_content())

        before = picture(overlay)  # a pixel, then its neighbour by key
        overlay.click(position={"x": 100, "y": 140})
        changed_picture(overlay, before)
        patch = page.get_by_text("the patch in row")
        said = patch.text_content()
        overlay.press("Shift+ArrowDown")
        until(lambda: patch.text_content() != said)
        assert page.get_by_text("Nearest good patches").is_visible()
        overlay.press("ArrowRight")
        page.get_by_text("Click a pixel").wait_for()

        smoothing = page.get_by_label("Smoothing").and_(page.locator("input"))
        assert smoothing.get_attribute("aria-valuetext") == "4.25"  # that of the model, between two steps
        smoothing.press("ArrowRight")
        until(lambda: smoothing.get_attribute("aria-valuetext") != "4.25")

        choose(page, "Order", "highest value first")
        milliseconds(page, overlay, line)
        assert not kernel_errors(page) and not errors


def milliseconds(page, overlay, line):
    "Print how long each gesture takes, from the hand to the picture."
    places, pixels = iter(range(3)), iter(range(60, 300, 20))
    _, x, y = max(dots(page), key=lambda place: place[1])
    page.mouse.click(x, y)

    def dot():
        _, x, y = sorted(dots(page), key=lambda place: place[1])[next(places)]
        page.mouse.click(x, y)

    def take_line():
        box = line.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 3)
        page.mouse.down()
        return box["x"] + box["width"] / 2 + 25, box["y"] + 3

    gestures = {  # first those that change the image with the highest value, which is coloured
        "threshold by key": lambda: page.locator(PARTS["slider"]).press("ArrowLeft"),
        "smoothing": lambda: page.get_by_label("Smoothing").and_(page.locator("input")).press("ArrowRight"),
        "opacity": lambda: move_slider(widget(page, "slider", "Opacity"), -1),
        "click on a pixel": lambda: overlay.click(position={"x": next(pixels), "y": 120}),
        "arrow key to another image": lambda: overlay.press("ArrowRight"),
        "click on a dot": dot,
    }
    print("line dragged", end=": ")
    for _ in range(3):
        to = take_line()
        print(f"{timed(page, overlay, lambda: page.mouse.move(*to)):.0f}", end=" ms ")  # noqa: B023 (called at once)
        page.mouse.up()
    print()
    for name, act in gestures.items():
        print(name, end=": ")
        print(", ".join(f"{timed(page, overlay, act):.0f}" for _ in range(3)), "ms")


def timed(page, overlay, act):
    "Milliseconds from the hand to the picture, once the kernel has answered everything before."
    wait_idle(page)
    return redrawn(page, overlay, act)
