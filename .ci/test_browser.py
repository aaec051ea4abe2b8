"""The explorers and the upload page in a real browser: servers on loopback, the system's Chromium, Playwright.

`pytest -c .ci/pytest.ini .ci/test_browser.py` runs these tests alone; screenshots go to `browser/`.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest
from conftest import ROOT, copy_notebooks
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EXPLORE = "tutorials/explore.ipynb"
PICTURES = ".widget-subarea img, .jupyter-widgets img"  # those of the explorers
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
# The last cell redraws a 40 x 30 picture: grey as the slider says, with a white pixel where it was clicked last.
FIXTURE = (
    "import io\nimport anywidget\nimport ipywidgets\nimport numpy as np\nimport traitlets\nfrom PIL import Image",
    """class Clickable(anywidget.AnyWidget):
    _esm = '''export default { render({ model, el }) {
      const img = document.createElement('img'); img.className = 'clickable'; img.width = 160
      const show = () => { img.src = URL.createObjectURL(new Blob([model.get('png')], { type: 'image/png' })) }
      img.onclick = e => { const b = img.getBoundingClientRect()
        const x = Math.floor((e.clientX - b.left) * img.naturalWidth / b.width)
        const y = Math.floor((e.clientY - b.top) * img.naturalHeight / b.height)
        model.set('point', [x, y]); model.save_changes() }
      model.on('change:png', show); show(); el.append(img) } }'''
    png = traitlets.Bytes().tag(sync=True)
    point = traitlets.List([0, 0]).tag(sync=True)""",
    """slider = ipywidgets.IntSlider(100, 0, 255, description='grey')
plain, clickable, said = ipywidgets.Image(width=160), Clickable(), ipywidgets.Label()
def draw(change=None):
    pixels = np.full((30, 40), slider.value, 'uint8')
    x, y = clickable.point
    pixels[y, x] = 255
    Image.fromarray(pixels).save(file := io.BytesIO(), 'PNG')
    plain.value = clickable.png = file.getvalue()
    said.value = f'clicked {x}, {y}'
slider.observe(draw, 'value'); clickable.observe(draw, 'point'); draw()
ipywidgets.VBox([slider, plain, clickable, said])""",
)
# A cell that fails, and a widget whose handler fails: the test has to see both.
BROKEN = (
    "import ipywidgets\nslider = ipywidgets.IntSlider(description='fails')\n"
    "def fail(change): raise KeyError('planted in a handler')\nslider.observe(fail, 'value'); slider",
    "1 / 0",
    "2",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (on Debian: apt-get install chromium)")


@contextmanager
def jupyterlab(folder):
    "Serve a folder with JupyterLab on a free port of loopback, with its own settings and without the network."
    with socket.socket() as free, tempfile.TemporaryDirectory() as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        _settings(Path(home) / "settings")
        own = {
            name: str(Path(home) / name.lower())
            for name in (
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_DATA_DIR",
                "JUPYTER_RUNTIME_DIR",
                "IPYTHONDIR",
                "JUPYTERLAB_WORKSPACES_DIR",
            )
        }
        own |= {
            "JUPYTERLAB_SETTINGS_DIR": str(Path(home) / "settings"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            f"--port={port}",
            "--ip=127.0.0.1",
            "--no-browser",
            "--allow-root",
            f"--ServerApp.root_dir={folder}",
            "--IdentityProvider.token=",
            "--ServerApp.port_retries=0",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
            "--LabApp.expose_app_in_browser=True",
        ]
        with open(Path(home) / "log", "w+") as log:
            server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
            try:
                _wait_for(f"http://127.0.0.1:{port}/api", server, log)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()  # the server ends its kernels
                server.wait(30)


def _settings(folder):
    "No news, no look for updates; every cell stays in the page, so that it can be found and photographed."
    for name, content in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))


def _wait_for(url, server, log, seconds=120):
    "Return once an address answers; fail with the server's log otherwise."
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    log.seek(0)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read()}")


@contextmanager
def chromium():
    "A page of a headless Chromium and the list of errors that its console shows, which grows as they appear."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        try:
            page, errors = browser.new_page(viewport={"width": 1100, "height": 1000}), []
            page.on(
                "console",
                lambda message: (
                    message.type == "error" and errors.append(f"{message.text} ({message.location.get('url', '')})")
                ),
            )
            page.on("pageerror", lambda error: errors.append(str(error)))
            yield page, errors
        finally:
            browser.close()


def open_notebook(page, url, path):
    "Open a notebook, given by its path below the served folder, and wait for its kernel."
    page.goto(f"{url}/lab/tree/{path}?reset")
    page.wait_for_function(
        """path => { const w = window.jupyterapp?.shell.currentWidget
            return w?.context?.path === path && w.context.isReady
                && w.sessionContext.session?.kernel?.status === 'idle' }""",
        arg=path,
        timeout=120_000,
    )
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    # A handler of a widget that raises changes no cell: its traceback only passes by on the kernel's channel.
    page.evaluate("""() => { window.kernelErrors = []
        window.jupyterapp.shell.currentWidget.sessionContext.iopubMessage.connect((_, message) => {
        const c = message.content
        if (message.header.msg_type === 'error') window.kernelErrors.push(`${c.ename}: ${c.evalue}`)
        if (message.header.msg_type === 'stream' && c.name === 'stderr' && c.text.includes('Traceback'))
            window.kernelErrors.push(c.text) }) }""")


def cells(page):
    "Code cells of the open notebook: dicts with `source`, `count` (None if it has not run) and `errors`."
    return page.evaluate("""() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
        .filter(c => c.type === 'code' && c.sharedModel.getSource().trim())
        .map(c => { const j = c.toJSON()
            const errors = j.outputs.filter(o => o.output_type === 'error').map(o => `${o.ename}: ${o.evalue}`)
            return {source: c.sharedModel.getSource(), count: j.execution_count, errors} })""")


def run_all(page, seconds=600):
    "Choose Run > Run All Cells, as a reader does; return the cells once all have run or one has failed."
    page.locator(".lm-MenuBar-item", has_text="Run").first.click()
    page.locator(".lm-Menu-item", has_text="Run All Cells").first.click()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, idle = (
            cells(page),
            page.evaluate(
                "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
            ),
        )
        if idle and (all(cell["count"] for cell in found) or any(cell["errors"] for cell in found)):
            page.wait_for_timeout(500)  # widgets are drawn after the kernel has answered
            return found
        page.wait_for_timeout(200)
    raise TimeoutError(f"not all cells have run after {seconds} s")


def wait_idle(page, seconds=60):
    "Wait until the kernel has answered everything that the page sent."
    page.wait_for_timeout(300)  # from the key to the message
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'",
        timeout=1000 * seconds,
    )


def kernel_errors(page):
    "Everything that was raised in the kernel since the notebook was opened, in cells and in handlers of widgets."
    return page.evaluate("() => window.kernelErrors")


def widget(page, kind, label=""):
    "Locator of widgets by kind (the CSS class after `widget-`: slider, dropdown, image ...) and the label beside them."
    found = page.locator(f".widget-{kind}")
    return found.filter(has=page.locator(".widget-label", has_text=label)) if label else found


def move_slider(slider, steps=1):
    "Move a slider by so many steps, with the arrow keys."
    handle = slider.locator(".noUi-handle").first
    handle.focus()
    for _ in range(abs(steps)):
        handle.press("ArrowRight" if steps > 0 else "ArrowLeft")


def picture(element):
    "The bytes of an `<img>` (as sent) or a `<canvas>` (as PNG)."
    element.wait_for()
    # A picture that is just being replaced has an address that leads nowhere any more: look again.
    text = element.evaluate("""async element => {
        if (element.tagName === 'CANVAS') return element.toDataURL('image/png').split(',')[1]
        for (let tries = 40; ; tries--) try {
            const address = element.src
            await element.decode()
            if (element.src !== address) continue
            const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer())
            return btoa(Array.from(bytes, b => String.fromCharCode(b)).join(''))
        } catch (error) { if (tries < 0) throw error; await new Promise(after => setTimeout(after, 50)) } }""")
    return base64.b64decode(text)


def changed_picture(element, before, seconds=20):
    "The bytes of a picture once they differ from `before`; raises `TimeoutError` if they stay."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (now := picture(element)) != before:
            return now
        element.page.wait_for_timeout(20)
    raise TimeoutError(f"the picture did not change within {seconds} s")


def click_pixel(element, x, y):
    "Click the middle of pixel (x, y) of an `<img>` or `<canvas>`, counted in pixels of the picture, from the top left."
    element.scroll_into_view_if_needed()
    width, height = element.evaluate("e => [e.naturalWidth ?? e.width, e.naturalHeight ?? e.height]")
    box = element.bounding_box()
    element.page.mouse.click(box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box["height"] / height)


def screenshot(page, path):
    "Photograph the whole open notebook, however long it is (up to 12,000 px)."
    size = page.viewport_size
    notebook = ".jp-NotebookPanel-notebook"
    panels = f"document.querySelectorAll('{notebook}, {notebook} .jp-WindowedPanel-outer')"
    height = page.evaluate(f"() => Math.max(...[...{panels}].map(e => e.scrollHeight))")
    page.set_viewport_size({"width": size["width"], "height": min(12_000, max(size["height"], height + 150))})
    page.evaluate(f"() => {panels}.forEach(e => {{ e.scrollTop = 0 }})")
    page.wait_for_timeout(500)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    page.set_viewport_size(size)


def redrawn(page, picture, act):
    "Milliseconds in the page from a key or a click to the picture that answers; a `TimeoutError` if none does."
    picture.evaluate("""img => { window.asked = window.answered = null
        const ask = () => { window.asked ??= performance.now() }
        const once = { capture: true, once: true }
        for (const kind of ['keydown', 'click', 'mousemove']) document.addEventListener(kind, ask, once)
        const answer = () => requestAnimationFrame(() => { window.answered = performance.now() })
        img.addEventListener('load', answer, { once: true }) }""")
    act()
    page.wait_for_function(
        "() => window.asked !== null && window.answered !== null && window.answered > window.asked", timeout=20_000
    )
    return page.evaluate("() => window.answered - window.asked")


@pytest.fixture(scope="module")
def lab():
    "Address of a JupyterLab on a copy of the notebooks, since it saves what it opens, and the folder that it serves."
    nbformat = pytest.importorskip("nbformat")
    with tempfile.TemporaryDirectory() as folder:
        copy_notebooks(nbs := Path(folder) / "nbs")
        notebook = json.loads((nbs / EXPLORE).read_text(encoding="utf-8"))
        # The cell that exports a notebook needs the whole project around it.
        notebook["cells"] = [cell for cell in notebook["cells"] if "nbdev_export()" not in "".join(cell["source"])]
        (nbs / EXPLORE).write_text(json.dumps(notebook), encoding="utf-8")
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        for name, sources in {"fixture": FIXTURE, "broken": BROKEN}.items():
            made = [nbformat.v4.new_code_cell(source) for source in sources]
            nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), Path(folder) / f"{name}.ipynb")
        with jupyterlab(folder) as url:
            yield url


def ran_through(page):
    "Run all cells; none may fail or be left out."
    ran = run_all(page)
    assert not [error for cell in ran for error in cell["errors"]]
    assert all(cell["count"] for cell in ran)


def test_slider_and_click_are_exact(lab):
    "The functions above do what they say: three steps of a slider, a click on one pixel, a screenshot."
    with chromium() as (page, errors):
        open_notebook(page, lab, "fixture.ipynb")
        ran_through(page)
        plain, clickable = widget(page, "image").first, page.locator("img.clickable")
        until(lambda: gray(plain, 5, 5) == gray(clickable, 5, 5) == 100)  # the widgets are there
        move_slider(widget(page, "slider", "grey"), 3)
        until(lambda: gray(plain, 5, 5) == gray(clickable, 5, 5) == 103)
        click_pixel(clickable, 31, 7)
        until(lambda: gray(clickable, 31, 7) == 255)
        assert gray(clickable, 30, 7) == 103
        assert page.get_by_text("clicked 31, 7").count() == 1
        screenshot(page, ROOT / "browser/fixture.png")
        assert Image.open(ROOT / "browser/fixture.png").size[1] >= 1000
        assert not errors


def gray(element, x, y):
    "Value of a pixel of a picture on the page."
    return Image.open(BytesIO(picture(element))).getpixel((x, y))


def until(condition, seconds=20):
    "Wait until a condition holds."
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"


def test_errors_are_seen(lab):
    "An error in a cell, in the handler of a widget and on the console does not pass unnoticed."
    with chromium() as (page, errors):
        open_notebook(page, lab, "broken.ipynb")
        ran = run_all(page)
        assert ran[1]["errors"] == ["ZeroDivisionError: division by zero"] and ran[2]["count"] is None
        move_slider(widget(page, "slider", "fails"))
        wait_idle(page)
        assert any("planted in a handler" in error for error in kernel_errors(page))
        page.evaluate("() => console.error('planted')")
        assert any("planted" in error for error in errors)


def test_explorers(lab):
    "The four explorers answer slider, click, mouse and keyboard with another picture, in both themes."
    with chromium() as (page, errors):
        page.set_viewport_size({"width": 1280, "height": 1000})
        open_notebook(page, lab, f"nbs/{EXPLORE}")
        ran_through(page)
        screenshot(page, ROOT / "browser/explore-light.png")
        silent = "pictures => pictures.filter(img => !img.alt).map(img => img.parentElement.className)"
        assert page.locator(PICTURES).count() > 5
        assert not page.eval_on_selector_all(PICTURES, silent), "a picture has no alternative text"

        said = page.locator("[role=status]", has_text="missed")
        said.evaluate("status => { window.said = [status, status.textContent] }")
        page.locator(
            "input[aria-label=Threshold]"
        ).focus()  # Notebook 7 would otherwise fold headings with the arrow keys
        assert page.evaluate("() => document.activeElement.getAttribute('data-lm-suppress-shortcuts') === 'true'")
        for name, (element, act) in moves(page).items():
            element.scroll_into_view_if_needed()
            before = picture(element)
            for _ in range(3):
                print(f"{name}: {redrawn(page, element, act):.0f} ms")
                wait_idle(page)
                assert (now := picture(element)) != before, f"{name}: the picture stays the same"
                before = now
        # The line for screen readers is still the same element and says something else.
        assert said.evaluate("status => status === window.said[0] && status.textContent !== window.said[1]")

        clickable = page.locator("img.patchcore-clickable")
        page.locator(".widget-checkbox", has_text="follow the mouse").locator("input").check()
        clickable.scroll_into_view_if_needed()
        wait_idle(page)
        box, before = clickable.bounding_box(), picture(clickable)
        page.mouse.move(box["x"] + 30, box["y"] + 350)
        assert changed_picture(clickable, before), "the frame does not follow the mouse"
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
        wait_idle(page)
        screenshot(page, ROOT / "browser/explore-dark.png")
        assert not kernel_errors(page) and not errors


def moves(page):
    "What a reader does to the explorers: name -> (picture that must change, what is done)."
    clickable, overlay = page.locator("img.patchcore-clickable"), page.locator(".patchcore-overlay img")
    columns = count(30, 90)

    def slide(label, steps):
        return lambda: move_slider(widget(page, "slider", label).first, steps)

    return {
        "threshold": (overlay, lambda: page.locator("input[aria-label=Threshold]").press("ArrowLeft")),
        "smoothing": (overlay, lambda: page.locator("input[aria-label=Smoothing]").press("ArrowRight")),
        "opacity": (overlay, slide("Opacity", -1)),
        "click on a patch": (clickable, lambda: click_pixel(clickable, next(columns), 60)),
        "arrow key on a patch": (clickable, lambda: clickable.press("ArrowDown")),
        "patch size": (
            page.locator(".patchcore-picture img:not(.patchcore-clickable)"),
            slide("Patch size", 1),
        ),
    }


@contextmanager
def upload_server(folder):
    "Serve a calibrated model; yields the address and the paths of a good and a defective picture."
    uvicorn = pytest.importorskip("uvicorn")
    from patchcore_nb import Geometry, MVTecAD, PatchCore, make_demo
    from patchcore_nb.apps.serve import create_app, http_protocol

    sizes = dict(n_train=12, n_good=1, n_defect=1, size=160, progress=False)
    parts = MVTecAD(make_demo(folder, ("flange",), **sizes), "flange", Geometry(160))
    model = PatchCore("loupe", coreset=0.1, progress=False).fit(parts.train)
    found, good = model.predict(parts.test), parts.test.defects.index("good")
    worst = int(found.scores.argmax())
    model.set_threshold((found.scores[good] + found.scores[worst]) / 2, float(found.maps[good].max()))
    chosen = parts.test.paths[good], parts.test.paths[worst]
    app = create_app(model, max_bytes=200_000)
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http=http_protocol(60), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([own],))
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{own.getsockname()[1]}", [Path(path).read_bytes() for path in chosen]
        finally:
            server.should_exit = True
            thread.join()


def test_upload_page(tmp_path):
    "A person sees verdict, score and map, in both themes; whatever is wrong is said; a name of a file is only text."
    for library in ("fastapi", "python_multipart", "prometheus_client"):
        pytest.importorskip(library)
    with upload_server(tmp_path) as (url, (good, defect)), chromium() as (page, errors):
        page.goto(url)
        verdict = page.locator("#verdict")

        def upload(name, content, kind="image/png"):
            page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})
            page.wait_for_function("() => !/is being judged/.test(document.getElementById('verdict').textContent)")
            return verdict.text_content(), verdict.get_attribute("class")

        page.wait_for_function("() => document.getElementById('model').textContent.includes('PatchCore')")
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.id") == "file"
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for name, content, word in (("good", good, "\u25cb good"), ("defect", defect, "\u25c6 DEFECT")):
                said, kind = upload(f"{name}.png", content)
                assert said.startswith(word) and "times the limit" in said and kind == name
                assert page.locator("#picture").is_visible()
                page.screenshot(path=ROOT / f"browser/upload-{name}-{theme}.png", full_page=True)
        with_map = picture(page.locator("#picture"))
        page.locator("#map").uncheck()
        until(lambda: picture(page.locator("#picture")) != with_map)  # the photograph alone
        said, kind = upload("<img src=x onerror=alert(1)>.png", b"not a picture")
        assert kind == "error" and said.startswith("<img src=x") and "not a picture that can be judged" in said
        assert page.locator("body img").count() == 0 and page.locator("#picture").is_hidden()
        page.screenshot(path=ROOT / "browser/upload-error-dark.png")
        assert "the server takes 200,000" in upload("large.png", bytes(300_000))[0]
        refused = [error for error in errors if "422" not in error]  # which the console reports, too
        assert not refused
        page.evaluate("() => { window.OffscreenCanvas = undefined; document.getElementById('map').checked = true }")
        assert "defect, score" in (said := upload("defect.png", defect)[0]) and "cannot draw its map" in said
        page.route("**/predict*", lambda route: route.abort())
        assert "the connection was lost" in upload("good.png", good)[0]
        page.goto(f"{url}/docs")
        assert page.locator("h2", has_text="POST /predict").count() == 1
        page.screenshot(path=ROOT / "browser/upload-docs.png", full_page=True)
