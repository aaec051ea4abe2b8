"""The studio in a real browser: a session by mouse and keyboard in JupyterLab, and the page that Voilà shows.

`pytest -c .ci/pytest.ini .ci/test_studio.py` runs these tests alone; screenshots go to `browser/`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from test_browser import CHROMIUM, chromium, jupyterlab, kernel_errors, open_notebook, ran_through, redrawn, until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (on Debian: apt-get install chromium)")


@pytest.fixture
def photos(tmp_path):
    "A folder with a part, 12 photographs to learn from, and a notebook that shows a studio."
    nbformat = pytest.importorskip("nbformat")
    from patchcore_nb import make_demo

    make_demo(tmp_path / "photos", ("flange",), n_train=12, n_good=3, n_defect=1, size=160, progress=False)
    sources = "from patchcore_nb import Studio", "studio = Studio('photos')\nstudio"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), tmp_path / "studio.ipynb")
    return tmp_path


def said(page, words="", seconds=60):
    "The status line, once it holds these words."
    line, end = page.locator("[role=status]").first, time.monotonic() + seconds
    while words not in (text := line.inner_text()) or text.endswith("\u2026"):
        assert time.monotonic() < end, f"{words!r} is not said within {seconds} s, but {text!r}"
        page.wait_for_timeout(50)
    return text


def press(page, text):
    "Press a button of ipywidgets, once what it needs is there."
    page.locator(".jupyter-button:not([disabled]):visible", has_text=text).first.click()


def step(page, title):
    "Go to a step."
    page.locator(".patchcore-steps button", has_text=title).click()


def field(page, label):
    "A text field by its label."
    return page.get_by_label(label, exact=True)


def cards(page):
    "The pictures of the gallery that is shown."
    return page.locator(".patchcore-gallery button:visible")


def test_a_session(photos):
    "From the folder to a saved model by hand; its script gives the same model in a fresh process."
    with jupyterlab(photos) as url, chromium() as (page, errors):
        page.set_viewport_size({"width": 1300, "height": 800})
        open_notebook(page, url, "studio.ipynb")
        ran_through(page)
        choose(page)
        draw(page)
        step(page, "Fit")
        press(page, "Fit")
        step(page, "Save")  # steps turn while the kernel is busy
        field(page, "Model folder").wait_for()
        print(f"turned to another step while it says {page.locator('[role=status]').first.inner_text()!r}")
        step(page, "Fit")
        print(said(page, "Fitted: "))
        assert page.locator(".pnb-card:visible", has_text="Forecast").count() == 1
        look(page)
        improve(page)
        save(page)
        live(page, photos)
        views(page)
        assert not kernel_errors(page) and not errors
    same_again(photos)


def choose(page):
    "Leave out the first photograph with the mouse, the second with the keyboard."
    said(page, "12 photographs to learn from; to test, 3 good ones")
    first, second = cards(page).nth(0), cards(page).nth(1)
    start = time.perf_counter()
    first.click()
    until(lambda: first.get_attribute("aria-pressed") == "true" and "left out" in first.inner_text())
    print(f"photograph left out: {1000 * (time.perf_counter() - start):.0f} ms with the time of the test itself")
    first.press("ArrowRight")
    assert page.evaluate("() => document.activeElement.textContent") == second.text_content()
    second.press("Space")
    until(lambda: second.get_attribute("aria-pressed") == "true")
    second.press("Space")
    until(lambda: second.get_attribute("aria-pressed") == "false")
    press(page, "Use these photographs")
    said(page, "9 photographs to learn, 2 good ones held out, 1 left out")


def draw(page):
    "Drag a rectangle to inspect, click a triangle to ignore, add a rectangle by numbers, remove it again."
    page.locator(".patchcore-steps button").first.press("ArrowRight")
    board = page.locator(".patchcore-drawing svg")
    board.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box = board.bounding_box()
    page.mouse.move(box["x"] + box["width"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.up()  # pressed beside the photograph: no area
    for x, y in ((60, 60), (120, 60), (90, 120)):
        board.click(position={"x": x, "y": y}, button="middle")  # no corners
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert board.locator("polygon").count() == 0
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20, steps=5)
    assert board.locator("polygon[fill=none]").count() == 1  # while it is dragged
    page.mouse.up()
    page.locator("select:visible").last.select_option("ignore")
    page.wait_for_timeout(500)
    for x, y in ((60, 60), (120, 60), (90, 120)):
        board.click(position={"x": x, "y": y})
    page.keyboard.press("Enter")
    until(lambda: "1 area to inspect, 1 area to ignore" in board.get_attribute("aria-label"))
    for label, value in {"Left": 100, "Top": 100, "Right": 120, "Bottom": 120}.items():
        field(page, f"{label} (pixels)").fill(str(value))
    field(page, "Top (pixels)").press("Tab")
    press(page, "Add this rectangle")
    until(lambda: "2 areas to ignore" in board.get_attribute("aria-label"))
    press(page, "Remove the last area")
    until(lambda: "1 area to ignore" in board.get_attribute("aria-label"))
    press(page, "Use these areas")
    print(said(page, "of a photograph is inspected"))
    page.screenshot(path=ROOT / "browser/studio-region.png")


def look(page):
    "Choose images with mouse and keyboard; another photograph and map answer."
    step(page, "Look")
    shown = page.locator(".patchcore-look img")
    shown.wait_for()
    for number in (3, 1, 4):
        ms = redrawn(page, shown, cards(page).nth(number).click)
        print(f"image chosen with a click: {ms:.0f} ms")
    for key in ("ArrowLeft", "ArrowRight"):
        print(
            f"image chosen with an arrow key: {redrawn(page, shown, lambda key=key: page.keyboard.press(key)):.0f} ms"
        )
    assert cards(page).nth(4).get_attribute("aria-pressed") == "true"
    name = cards(page).nth(4).locator("span").inner_text().splitlines()[-1]
    until(lambda: name in shown.get_attribute("alt"))


def improve(page):
    "Set a threshold, learn a good image, forget a training image."
    step(page, "Threshold")
    field(page, "False-alarm rate").fill("0.3")
    field(page, "False-alarm rate").press("Tab")
    press(page, "Set the threshold")
    print(said(page, "good images that the model had not seen"))
    step(page, "Improve")
    cards(page).first.click()
    until(lambda: cards(page).first.get_attribute("aria-pressed") == "true")
    press(page, "Learn the chosen ones")
    print(said(page, "Learned 1."))
    press(page, "Rank the training images")
    said(page, "the most isolated is")
    suspicious = page.locator(".patchcore-gallery:visible").last.locator("button").first
    suspicious.click()
    until(lambda: suspicious.get_attribute("aria-pressed") == "true")
    press(page, "Forget the chosen ones")
    print(said(page, "Forgot 1 training image"))


def save(page):
    "Save model, report and script; what is not possible is said."
    step(page, "Save")
    for button, words in (
        ("Save", "Saved in"),
        ("Write", "report.html"),
        ("Save script", "studio.py and studio.ipynb"),
    ):
        press(page, button)
        said(page, words)
    field(page, "Exported file").fill("part.txt")
    field(page, "Exported file").press("Tab")
    press(page, "Export")
    said(page, "Not done:")
    page.locator(".patchcore-script button").click()
    until(lambda: page.locator(".patchcore-script button").inner_text() != "Copy")


def live(page, photos):
    "Judge a folder into which a photograph is written."
    (photos / "new").mkdir()
    step(page, "Camera")
    field(page, "Camera or folder").fill("new")
    field(page, "Camera or folder").press("Tab")
    press(page, "Start")
    said(page, "Judging new.")
    seen = page.locator(".patchcore-live img")
    for path in sorted((photos / "photos/flange/test").rglob("*.png"))[:2]:
        name = f"{path.parent.name}-{path.name}"
        shutil.copy(path, photos / "new" / name)
        until(lambda name=name: name in (seen.get_attribute("alt") or ""))
    print(page.locator(".widget-html:visible", has_text="latency").inner_text())
    page.screenshot(path=ROOT / "browser/studio-camera.png")
    press(page, "Stop")
    said(page, "Stopped.")


def views(page):
    "Photograph some steps at four widths, light and dark; nothing is wider than the page."
    for theme in ("Light", "Dark"):
        page.evaluate(
            f"() => window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})"
        )
        page.wait_for_timeout(1000)
        for width, titles in {332: ("Look", "Save"), 900: ("Improve",), 1300: ("Look",), 1600: ("Images",)}.items():
            if theme == "Dark" and width == 900:
                continue
            page.set_viewport_size({"width": width, "height": 800 if width == 1300 else 1600})
            for title in titles:
                step(page, title)
                page.locator(".patchcore-steps").scroll_into_view_if_needed()
                page.wait_for_timeout(500)
                page.screenshot(path=ROOT / f"browser/studio-{title.lower()}-{theme.lower()}-{width}.png")
                root = page.locator(".patchcore-explorer").first
                assert root.evaluate("e => e.scrollWidth <= e.clientWidth + 2"), (width, title)


def same_again(photos):
    "Run the script in a fresh process, beside the model that was saved."
    check = """
from patchcore_nb import load_model
saved = load_model('model', progress=False)
assert saved.bank_.paths == model.bank_.paths and saved.calibration_ == model.calibration_
assert (saved.bank_.rows[:] == model.bank_.rows[:]).all() and (saved.predict(judged).scores == seen.scores).all()
"""
    script = (photos / "studio.py").read_text().replace("model.save('model')", "")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script + check], cwd=photos, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_the_page_of_voila(photos):
    "`patchcore_nb studio` shows the studio to whoever has the token, fetches nothing from elsewhere, and ends tidily."
    pytest.importorskip("voila")
    # A shell that starts tests in the background has them, and their children, ignore SIGINT.
    program = "import signal\nfrom patchcore_nb.apps.cli import cli\n"
    program += "signal.signal(signal.SIGINT, signal.default_int_handler)\ncli()"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", program, "studio", "photos", "--port", port]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, cwd=photos, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        address = next(line.strip() for line in server.stderr if "token=" in line)
        with chromium() as (page, errors):
            elsewhere, own = [], f"http://127.0.0.1:{port}/"
            page.on("request", lambda r: r.url.startswith((own, "data:", "blob:")) or elsewhere.append(r.url))
            page.goto(address.partition("?")[0])
            assert page.locator(".patchcore-steps button").count() == 0 and "login" in page.url  # without the token
            page.goto(address)
            page.locator(".patchcore-steps button").first.wait_for(timeout=90_000)
            said(page, "12 photographs to learn from")
            press(page, "Use these photographs")
            said(page, "10 photographs to learn")
            page.screenshot(path=ROOT / "browser/studio-voila.png")
            assert not elsewhere
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
