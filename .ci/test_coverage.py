"""The coreset explorer in a real browser: every gesture, both themes, four widths, and how fast it answers.

`pytest -c .ci/pytest.ini .ci/test_coverage.py` runs these tests alone; screenshots go to `browser/`.
"""

import json
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from test_browser import (
    CHROMIUM,
    chromium,
    jupyterlab,
    kernel_errors,
    move_slider,
    open_notebook,
    ran_through,
    until,
    wait_idle,
    widget,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (on Debian: apt-get install chromium)")
EXPLORER = (
    """import tempfile
from pathlib import Path
import numpy as np
from patchcore_nb import CoresetExplorer, Geometry, MVTecAD, PatchCore, make_demo
root = make_demo(Path(tempfile.mkdtemp()) / "demo", ("flange",), n_train=18, n_good=1, n_defect=1, progress=False)
train = MVTecAD(root, "flange", Geometry(160)).train
model = PatchCore("loupe", coreset=0.1, device="cpu", progress=False).fit(train)""",
    "explorer = CoresetExplorer(model)\nexplorer",
)
# The same widget with 100,000 random dots instead of patches.
MANY = (
    """import numpy as np
from patchcore_nb.box.pictures import encode
from patchcore_nb.look.coverage import _view_class
rng, N = np.random.default_rng(0), 100_000
places = np.clip(rng.normal(0, 0.3, (N, 2)), -1, 1)
view = _view_class()(
    places=places.astype("<f4").tobytes(), explained=0.5, names=[f"{i}.png" for i in range(100)], grid=[25, 40],
    size=[250, 400], jpegs=[encode(rng.integers(0, 256, (250, 400, 3), dtype=np.uint8)) for i in range(100)],
    boxes=np.tile([0, 0, 10, 10], (1000, 1)).astype("<i4").tobytes(), viridis=bytes(range(256)) * 3,
    percents=[1.0, 10.0], sizes=[1000, 10_000], radii={"random": [2.0, 1.0]}, sampler="random", furthest=2.0,
    distances=rng.uniform(0, 2, N).astype("<f4").tobytes(), picks=np.arange(10_000, dtype="<u4").tobytes(), at=1,
    rows=True, rings=True, colours=True, words="100,000 dots")
view.add_class("patchcore-view")
view""",
)

# Keeps, at each picture of the plane, the milliseconds since the last event.
CLOCK = """() => {
    if (window.last !== undefined) return
    window.last = 0
    for (const kind of ['pointerdown', 'pointermove', 'pointerup', 'keydown', 'click', 'wheel', 'change'])
        document.addEventListener(kind, () => { window.last = performance.now() }, { capture: true })
    const put = CanvasRenderingContext2D.prototype.putImageData
    CanvasRenderingContext2D.prototype.putImageData = function (...all) {
        put.apply(this, all)
        if (this.canvas.className === 'patchcore-dots') window.taken = performance.now() - window.last } }"""


@contextmanager
def served():
    "Address of a JupyterLab with two notebooks: an explorer of 18 flanges, and 100,000 dots."
    nbformat = pytest.importorskip("nbformat")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    with tempfile.TemporaryDirectory() as folder:
        for name, sources in {"explorer": EXPLORER, "many": MANY}.items():
            made = [nbformat.v4.new_code_cell(source) for source in sources]
            nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), Path(folder) / f"{name}.ipynb")
        with jupyterlab(folder) as url:
            yield url


@pytest.fixture(scope="module")
def lab():
    with served() as url:
        yield url


def asked(page, expression):
    "The value of an expression in the kernel of the open notebook, by way of JSON."
    said = page.evaluate(
        """async code => { let said = ''
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
        const future = kernel.requestExecute({ code, store_history: false })
        future.onIOPub = m => { if (m.header.msg_type === 'stream') said += m.content.text }
        await future.done
        return said }""",
        f"import json\nprint(json.dumps({expression}))",
    )
    return json.loads(said)


def pixels(page):
    "What the plane shows, as an address that changes with every pixel."
    return page.locator(".patchcore-dots").evaluate("canvas => canvas.toDataURL()")


def answers(page, name, act):
    "Do something; the plane has to change. Prints the milliseconds from the last event to the picture that stays."
    before = pixels(page)
    page.evaluate(CLOCK)
    act()
    wait_idle(page)
    until(lambda: pixels(page) != before)
    print(f"{name}: {page.evaluate('() => window.taken'):.0f} ms")


def at(page, x, y):
    "A point of the page, from shares of the plane."
    box = page.locator(".patchcore-dots").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page, points, key=None):
    "Press the mouse at the first point, move over the others, let go at the last."
    if key:
        page.keyboard.down(key)
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
    if key:
        page.keyboard.up(key)


def shot(page, name):
    "Photograph the explorer."
    page.locator(".patchcore-explorer, .patchcore-view").first.screenshot(path=ROOT / f"browser/{name}.png")


def opened(page, lab, name, width=1300, height=900):
    page.set_viewport_size({"width": width, "height": height})
    open_notebook(page, lab, name)
    ran_through(page)
    shot(page, f"coverage-{name.split('.')[0]}-{width}")  # scrolls to it, too
    page.wait_for_function("() => document.querySelector('.patchcore-dots').width > 300")
    wait_idle(page)


def find_dot(page):
    "Move the mouse over the plane until a dot answers; returns the point and what is said."
    tip = page.locator(".patchcore-tip")
    for k in range(40):
        point = at(page, 0.25 + 0.012 * k, 0.5)
        page.mouse.move(*point)
        page.wait_for_timeout(50)
        if tip.is_visible():
            return point, tip.inner_text()
    raise AssertionError("no dot answers")


def test_mouse(lab):
    "Hover, click, lasso, gallery, zoom, pan, curve, thumbnails and check boxes; what is selected is in the kernel."
    with chromium() as (page, errors):
        opened(page, lab, "explorer.ipynb")
        point, said = find_dot(page)
        assert re.search(r"^\d+\.png\nrow \d+, column \d+\n(distance \S+ to the nearest|kept: pick \d+ of 72)", said)
        page.mouse.move(*at(page, 0.02, 0.02))
        answers(page, "hover", lambda: page.mouse.move(*point))
        answers(page, "click on a dot", lambda: page.mouse.click(*point))
        [[image, row, column]] = asked(page, "explorer.selected.tolist()")
        assert f"{image:03d}.png\nrow {row}, column {column}" in said  # the very patch that was shown
        ring = [at(page, x, y) for x, y in ((0.3, 0.3), (0.6, 0.25), (0.65, 0.7), (0.35, 0.75), (0.3, 0.3))]
        answers(page, "lasso", lambda: drag(page, ring, "Shift"))
        many = asked(page, "len(explorer.selected)")
        assert many > 100 and page.locator(".patchcore-title").inner_text().startswith(
            f"Selected: first 48 of {many:,}"
        )
        assert f"{many:,} selected" in page.locator(".patchcore-explorer [role=status]").first.inner_text()
        patches = page.locator(".patchcore-patch")
        far = [float(re.search(r"distance (\S+)", patches.nth(i).get_attribute("title"))[1]) for i in (0, 20, 47)]
        assert patches.count() == 48 and far == sorted(far, reverse=True)
        shot(page, "coverage-lasso")
        page.locator(".patchcore-tool", has_text="Lasso").click()
        small = [at(page, x, y) for x, y in ((0.4, 0.4), (0.5, 0.4), (0.5, 0.5), (0.4, 0.5))]
        answers(page, "lasso by button", lambda: drag(page, small))
        assert 0 < asked(page, "len(explorer.selected)") < many
        page.locator(".patchcore-tool", has_text="Lasso").click()

        page.mouse.move(*at(page, 0.5, 0.5))
        page.wait_for_timeout(200)
        still = pixels(page)
        page.mouse.wheel(0, -1)  # without the focus it scrolls the page
        page.wait_for_timeout(200)
        assert pixels(page) == still
        page.locator(".patchcore-dots").focus()
        answers(page, "wheel", lambda: page.mouse.wheel(0, -400))
        answers(page, "pan", lambda: drag(page, [at(page, 0.5, 0.5), at(page, 0.6, 0.4)]))
        shot(page, "coverage-zoom")
        page.locator(".patchcore-tool", has_text="Fit").click()
        answers(page, "clear", page.locator(".patchcore-tool", has_text="Clear").click)
        assert asked(page, "explorer.selected.tolist()") == []

        curve = page.locator(".patchcore-curve svg")
        box = curve.bounding_box()
        along = [(box["x"] + x * box["width"], box["y"] + 60) for x in (0.5, 0.6, 0.7, 0.8)]
        answers(page, "curve", lambda: drag(page, along))
        now = asked(page, "[explorer.percent.value, explorer.state['size'], explorer.state['radius']]")
        assert now[0] > 1 and float(curve.get_attribute("aria-valuenow")) == now[0]
        assert (
            curve.get_attribute("aria-valuetext") == f"{now[0]:g} %, {now[1]:,} patches, covering radius {now[2]:.3g}"
        )

        answers(page, "slider", lambda: move_slider(widget(page, "slider", "Patches kept"), -1))
        assert asked(page, "explorer.percent.value") < now[0]
        answers(page, "sampler", lambda: page.locator(".widget-dropdown select").select_option("random"))
        assert asked(page, "explorer.sampler.value") == "random"

        thumbnail = page.locator(".patchcore-thumbnail").nth(3)
        answers(page, "thumbnail", thumbnail.click)
        assert asked(page, "[len(explorer.selected), *set(explorer.selected[:, 0].tolist())]") == [400, 3]
        assert thumbnail.get_attribute("aria-pressed") == "true" and "400 selected" in thumbnail.get_attribute("title")
        asked(page, "setattr(explorer, 'selected', [[5, 1, 2], [7, 0, 0]])")
        lit = page.locator(".patchcore-lit")
        until(lambda: lit.count() == 2)
        assert "1 selected" in lit.first.get_attribute("aria-label")
        for label in ("all patches", "kept patches", "distances"):
            box = page.locator(".widget-checkbox", has_text=label).locator("input")
            answers(page, label, box.uncheck)
            shot(page, f"coverage-without-{label.split()[0]}")
            answers(page, label, box.check)
        assert not kernel_errors(page) and not errors


def test_keyboard_and_themes(lab):
    "Everything works with keys alone, and is described; the dark theme has its own colours; narrow pages are usable."
    with chromium() as (page, errors):
        opened(page, lab, "explorer.ipynb")
        dots = page.locator(".patchcore-dots")
        page.locator(".patchcore-tool", has_text="Clear").focus()
        page.keyboard.press("Tab")
        assert dots.evaluate("canvas => canvas === document.activeElement")
        assert dots.get_attribute("aria-label").startswith("All 7,200 patches in a plane")
        answers(page, "arrow key", lambda: page.keyboard.press("ArrowRight"))
        worst = page.locator(".patchcore-unseen").inner_text()
        radius = asked(page, "explorer.state['radius']")
        assert f"distance {radius:.3g} to the nearest kept patch" in worst  # the patch that is covered worst
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(100)
        assert page.locator(".patchcore-unseen").inner_text() != worst
        answers(page, "Enter", lambda: page.keyboard.press("Enter"))
        assert asked(page, "len(explorer.selected)") == 1 and "1 selected" in dots.get_attribute("aria-label")
        for key in ("+", "+", "Shift+ArrowRight", "Shift+ArrowUp", "-"):
            answers(page, key, lambda: page.keyboard.press(key))  # noqa: B023
        answers(page, "A", lambda: page.keyboard.press("a"))
        assert 1 < asked(page, "len(explorer.selected)") < 7200
        answers(page, "0", lambda: page.keyboard.press("0"))
        answers(page, "Escape", lambda: page.keyboard.press("Escape"))
        assert asked(page, "len(explorer.selected)") == 0
        page.locator(".patchcore-curve svg").focus()
        answers(page, "curve, End", lambda: page.keyboard.press("End"))
        assert asked(page, "explorer.percent.value") == 25
        answers(page, "curve, arrow", lambda: page.keyboard.press("ArrowLeft"))
        assert asked(page, "explorer.percent.value") == 20
        page.locator(".patchcore-thumbnail").first.focus()
        page.keyboard.press("ArrowRight")
        answers(page, "thumbnail, Enter", lambda: page.keyboard.press("Enter"))
        assert asked(page, "set(explorer.selected[:, 0].tolist()) == {1}")
        page.locator(".patchcore-patch").nth(1).focus()
        answers(page, "patch, Enter", lambda: page.keyboard.press("Enter"))
        assert asked(page, "len(explorer.selected)") == 1
        assert page.evaluate("() => document.activeElement.className") == "patchcore-patch"  # the focus stays
        assert asked(page, "0") == 0 and len(page.locator(".jp-Notebook .jp-Cell").all()) == 2  # A adds no cell
        shot(page, "coverage-light")

        back = "canvas => [...canvas.getContext('2d').getImageData(2, 2, 1, 1).data]"
        assert min(dots.evaluate(back)) > 230
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
        until(lambda: dots.evaluate(back)[0] < 60)
        for width, height in ((332, 800), (900, 800), (1300, 800), (1600, 900)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(500)
            wide = page.evaluate("""() => { const inside = document.querySelector('.patchcore-coverage')
                return inside.scrollWidth - inside.parentElement.clientWidth }""")
            assert wide <= 0, f"{width} pixels: {wide} too many"
            shot(page, f"coverage-dark-{width}")
        assert not kernel_errors(page) and not errors


def test_hundred_thousand_dots(lab):
    "100,000 dots are drawn anew at each step of a pan. The seconds are printed, not tested."
    with chromium() as (page, errors):
        opened(page, lab, "many.ipynb")
        before = pixels(page)
        drawn, milliseconds = page.evaluate("""async () => {
            const canvas = document.querySelector('.patchcore-dots')
            const put = CanvasRenderingContext2D.prototype.putImageData
            const frame = () => new Promise(after => requestAnimationFrame(after))
            let drawn = 0
            CanvasRenderingContext2D.prototype.putImageData = function (...all) {
                put.apply(this, all)
                if (this.canvas === canvas) drawn++ }
            await frame()
            const began = performance.now()
            for (let k = 0; k < 60; k++) {
                const key = k % 2 ? 'ArrowLeft' : 'ArrowRight'
                canvas.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey: true, bubbles: true }))
                await frame() }
            await frame()
            return [drawn, performance.now() - began] }""")
        print(f"100,000 dots: {drawn} pictures in {milliseconds:.0f} ms, {1000 * drawn / milliseconds:.0f} a second")
        assert drawn >= 60
        page.locator(".patchcore-dots").press("+")
        until(lambda: pixels(page) != before)
        point, _ = find_dot(page)
        answers(page, "click among 100,000", lambda: page.mouse.click(*point))
        answers(page, "all in view among 100,000", lambda: page.keyboard.press("a"))
        assert not kernel_errors(page) and not errors
