"""Notebooks in a real browser: JupyterLab on loopback, the system's Chromium, Playwright.

`python .ci/browser.py` proves the functions below on a small notebook of its own and then runs the notebooks in NOTEBOOKS;
`python .ci/browser.py NOTEBOOK ...` runs the named ones. Screenshots go to `browser/` (or `--out FOLDER`).
"""

import argparse
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EXPLORE = "tutorials/explore.ipynb"  # has a check of its own
NOTEBOOKS = (EXPLORE,)  # paths below nbs/ that are run as a whole, every slider moved by one step
PICTURES = ".widget-subarea img, .jupyter-widgets img"  # those of the explorers
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync".split()
# What JupyterLab says on the console of its own accord, with the reason why it is no error of a notebook. Everything else fails the check.
HARMLESS = ()
# The last cell redraws a 40 x 30 picture: grey as the slider says, with a white pixel where it was clicked last.
FIXTURE = (
    "import io\nimport anywidget\nimport ipywidgets\nimport numpy as np\nimport traitlets\nfrom PIL import Image",
    "class Clickable(anywidget.AnyWidget):\n    _esm = '''export default { render({ model, el }) {\n"
    "      const img = document.createElement('img'); img.className = 'clickable'; img.draggable = false\n"
    "      const show = () => { img.src = URL.createObjectURL(new Blob([model.get('png')], { type: 'image/png' })) }\n"
    "      img.onclick = e => { const b = img.getBoundingClientRect()\n"
    "        model.set('point', [Math.floor((e.clientX - b.left) * img.naturalWidth / b.width), Math.floor((e.clientY - b.top) * img.naturalHeight / b.height)]); model.save_changes() }\n"
    "      model.on('change:png', show); show(); el.append(img) } }'''\n"
    "    png = traitlets.Bytes().tag(sync=True)\n    point = traitlets.List([0, 0]).tag(sync=True)",
    "slider = ipywidgets.IntSlider(100, 0, 255, description='grey')\n"
    "plain, clickable, said = ipywidgets.Image(width=160), Clickable(), ipywidgets.Label()\n"
    "def draw(change=None):\n    pixels = np.full((30, 40), slider.value, 'uint8')\n    x, y = clickable.point\n    pixels[y, x] = 255\n"
    "    Image.fromarray(pixels).save(file := io.BytesIO(), 'PNG')\n    plain.value = clickable.png = file.getvalue()\n    said.value = f'clicked {x}, {y}'\n"
    "slider.observe(draw, 'value'); clickable.observe(draw, 'point'); draw()\nipywidgets.VBox([slider, plain, clickable, said])",
)

BROKEN = (
    "import ipywidgets\nslider = ipywidgets.IntSlider(description='fails')\ndef fail(change): raise KeyError('planted in a handler')\nslider.observe(fail, 'value'); slider",
    "1 / 0",
    "2",
)


def missing():
    "What the check needs and this machine lacks, as a sentence; empty if nothing."
    absent = [name for name in ("playwright", "jupyterlab", "ipywidgets", "anywidget") if not find_spec(name)]
    if not CHROMIUM:
        absent.append("Chromium (on Debian: apt-get install chromium)")
    return ", ".join(absent)


@contextmanager
def jupyterlab(folder):
    "JupyterLab that serves a folder on a free port of loopback, with settings of its own and no wish for the network; yields its address."
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


def console_errors(errors):
    "Those errors that are not known to be harmless."
    return [error for error in errors if not any(known in error for known in HARMLESS)]


def open_notebook(page, url, path):
    "Open a notebook, given by its path below the served folder, and wait for its kernel."
    page.goto(f"{url}/lab/tree/{path}?reset")
    page.wait_for_function(
        "path => { const w = window.jupyterapp?.shell.currentWidget; return w?.context?.path === path && w.context.isReady && w.sessionContext.session?.kernel?.status === 'idle' }",
        arg=path,
        timeout=120_000,
    )
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    # A handler of a widget that raises changes no cell: its traceback only passes by on the kernel's channel.
    page.evaluate("""() => { window.kernelErrors = []; window.jupyterapp.shell.currentWidget.sessionContext.iopubMessage.connect((_, message) => {
        const c = message.content
        if (message.header.msg_type === 'error') window.kernelErrors.push(`${c.ename}: ${c.evalue}`)
        if (message.header.msg_type === 'stream' && c.name === 'stderr' && c.text.includes('Traceback')) window.kernelErrors.push(c.text) }) }""")


def cells(page):
    "The code cells of the open notebook that hold code: list of dicts with `source`, `count` (None where not run) and `errors`."
    return page.evaluate("""() => [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code' && c.sharedModel.getSource().trim())
        .map(c => { const j = c.toJSON(); return {source: c.sharedModel.getSource(), count: j.execution_count, errors: j.outputs.filter(o => o.output_type === 'error').map(o => `${o.ename}: ${o.evalue}`)} })""")


def run_all(page, seconds=600):
    "Run > Run All Cells, as a reader does; returns the cells once all have run or one has failed, and the kernel is idle."
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
    "Widgets by kind (`slider`, `dropdown`, `image`, `label` ...: the CSS class after `widget-`) and the label beside them; a Playwright locator."
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
    text = element.evaluate("""async element => { if (element.tagName === 'CANVAS') return element.toDataURL('image/png').split(',')[1]
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
    height = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.jp-NotebookPanel-notebook, .jp-NotebookPanel-notebook .jp-WindowedPanel-outer')].map(e => e.scrollHeight))"
    )
    page.set_viewport_size({"width": size["width"], "height": min(12_000, max(size["height"], height + 150))})
    page.evaluate(
        "() => document.querySelectorAll('.jp-NotebookPanel-notebook, .jp-NotebookPanel-notebook .jp-WindowedPanel-outer').forEach(e => { e.scrollTop = 0 })"
    )
    page.wait_for_timeout(500)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    page.set_viewport_size(size)


def check_fixture(url, folder, out):
    "The functions above on a notebook of their own: slider, click and screenshot do what they say, and an error is seen."
    from io import BytesIO

    import nbformat
    from PIL import Image

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, sources in {"fixture": FIXTURE, "broken": BROKEN}.items():
        nbformat.write(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources], metadata=kernel),
            Path(folder) / f"{name}.ipynb",
        )
    with chromium() as (page, errors):
        open_notebook(page, url, "fixture.ipynb")
        ran = run_all(page)
        yield (
            "all cells of the fixture run without error",
            [cell["count"] for cell in ran] == [1, 2, 3] and not any(cell["errors"] for cell in ran),
            str(ran),
        )
        plain, clickable = widget(page, "image").first, page.locator("img.clickable")
        before = picture(plain)
        move_slider(widget(page, "slider", "grey"), 3)
        end = time.monotonic() + 20
        while (
            Image.open(BytesIO(now := changed_picture(plain, before))).getpixel((5, 5)) != 103
            and time.monotonic() < end
        ):
            before = now
        yield (
            "three steps of the slider redraw the picture, 100 to 103",
            Image.open(BytesIO(now)).getpixel((5, 5)) == 103,
            "",
        )
        before, start = picture(clickable), time.monotonic()
        click_pixel(clickable, 31, 7)
        after, seconds = Image.open(BytesIO(changed_picture(clickable, before))), time.monotonic() - start
        yield (
            f"a click on pixel (31, 7) paints it ({1000 * seconds:.0f} ms)",
            after.getpixel((31, 7)) == 255 and after.getpixel((30, 7)) == 103,
            "",
        )
        yield "the kernel knows the pixel", page.get_by_text("clicked 31, 7").count() == 1, ""
        screenshot(page, out / "fixture.png")
        yield (
            "the screenshot shows the notebook",
            Image.open(out / "fixture.png").size[1] >= 1000
            and len(Image.open(out / "fixture.png").convert("L").getcolors()) > 50,
            "",
        )
        yield "no error on the console", not console_errors(errors), "\n".join(console_errors(errors))
        page.evaluate("() => console.error('planted')")
        yield (
            "an error on the console is seen",
            any("planted" in error for error in console_errors(errors)),
            str(errors),
        )
        open_notebook(page, url, "broken.ipynb")
        ran = run_all(page)
        yield (
            "an error in a cell is seen",
            ran[1]["errors"] == ["ZeroDivisionError: division by zero"] and ran[2]["count"] is None,
            str(ran),
        )
        move_slider(widget(page, "slider", "fails"))
        wait_idle(page)
        yield (
            "an error in a handler is seen",
            any("planted in a handler" in error for error in kernel_errors(page)),
            str(kernel_errors(page)),
        )


def check_notebook(url, path, out):
    "A notebook runs to its end, every slider can be moved by one step, and nothing fails: neither a cell nor the page."
    with chromium() as (page, errors):
        open_notebook(page, url, path)
        ran = run_all(page)
        wrong = [error for cell in ran for error in cell["errors"]] or [
            cell["source"] for cell in ran if not cell["count"]
        ]
        yield f"{path}: all cells run without error", not wrong, "\n".join(wrong)
        sliders = widget(page, "slider").all()
        for slider in sliders:
            move_slider(slider)
            wait_idle(page)
        screenshot(page, out / f"{Path(path).stem}.png")
        yield (
            f"{path}: {len(sliders)} sliders moved, no error in the kernel",
            not kernel_errors(page),
            "\n".join(kernel_errors(page)),
        )
        yield f"{path}: no error on the console", not console_errors(errors), "\n".join(console_errors(errors))


def redrawn(page, picture, act):
    "Milliseconds in the page from a key, a click or a move of the mouse to the picture that answers it; `TimeoutError` of Playwright if none does."
    picture.evaluate("""img => { window.asked = window.answered = null
        const ask = () => { window.asked ??= performance.now() }
        for (const kind of ['keydown', 'click', 'mousemove']) document.addEventListener(kind, ask, { capture: true, once: true })
        img.addEventListener('load', () => requestAnimationFrame(() => { window.answered = performance.now() }), { once: true }) }""")
    act()
    page.wait_for_function(
        "() => window.asked !== null && window.answered !== null && window.answered > window.asked", timeout=20_000
    )
    return page.evaluate("() => window.answered - window.asked")


def check_explorers(url, path, out):
    "The four explorers answer slider, click, mouse and keyboard with another picture, in both themes, and say how fast."
    with chromium() as (page, errors):
        page.set_viewport_size({"width": 1280, "height": 1000})
        open_notebook(page, url, path)
        ran = run_all(page)
        wrong = [error for cell in ran for error in cell["errors"]] or [
            cell["source"] for cell in ran if not cell["count"]
        ]
        yield f"{path}: all cells run without error", not wrong, "\n".join(wrong)
        screenshot(page, out / "explore-light.png")
        silent = page.eval_on_selector_all(
            PICTURES, "pictures => pictures.filter(img => !img.alt).map(img => img.parentElement.className)"
        )
        yield (
            f"{path}: every picture has an alternative text",
            page.locator(PICTURES).count() > 10 and not silent,
            str(silent),
        )
        said = page.locator("[role=status]", has_text="missed")
        said.evaluate("status => { window.said = [status, status.textContent] }")
        widget(page, "slider", "Threshold").locator(
            ".noUi-handle"
        ).focus()  # Notebook 7 would fold headings with arrow keys
        yield (
            f"{path}: keys belong to the control that has the focus",
            page.evaluate("() => document.activeElement.getAttribute('data-lm-suppress-shortcuts') === 'true'"),
            "",
        )
        clickable, overlay, columns = (
            page.locator("img.patchcore-clickable"),
            page.locator(".patchcore-overlay img"),
            count(30, 90),
        )
        moves = {
            "coreset percentage": (
                page.locator(".patchcore-chart img"),
                lambda: move_slider(widget(page, "slider", "Patches kept"), 1),
            ),
            "thumbnails of the coreset": (
                page.locator(".patchcore-thumbnails img"),
                lambda: move_slider(widget(page, "slider", "Patches kept"), -1),
            ),
            "threshold": (overlay, lambda: move_slider(widget(page, "slider", "Threshold"), -1)),
            "smoothing": (overlay, lambda: move_slider(widget(page, "slider", "Smoothing"), 1)),
            "opacity": (overlay, lambda: move_slider(widget(page, "slider", "Opacity").first, -1)),
            "click on a patch": (clickable, lambda: click_pixel(clickable, next(columns), 60)),
            "arrow key on a patch": (clickable, lambda: clickable.press("ArrowDown")),
            "patch size": (
                page.locator(".patchcore-picture img:not(.patchcore-clickable)"),
                lambda: move_slider(widget(page, "slider", "Patch size"), 1),
            ),
        }
        for name, (element, act) in moves.items():
            element.scroll_into_view_if_needed()
            taken, before, changed = [], picture(element), []
            for _ in range(3):
                taken.append(redrawn(page, element, act))
                wait_idle(page)
                changed.append((now := picture(element)) != before)
                before = now
            yield (
                f"{path}: {name}: another picture each time, after {', '.join(f'{t:.0f}' for t in taken)} ms",
                all(changed),
                str(changed),
            )
        yield (
            f"{path}: the line for screen readers stays and says something else",
            said.evaluate("status => status === window.said[0] && status.textContent !== window.said[1]"),
            said.inner_text(),
        )
        page.locator(".widget-checkbox input").first.check()
        clickable.scroll_into_view_if_needed()
        wait_idle(page)
        box, before = clickable.bounding_box(), picture(clickable)
        page.mouse.move(box["x"] + 30, box["y"] + 350)
        yield f"{path}: the frame follows the mouse", bool(changed_picture(clickable, before)), ""
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
        wait_idle(page)
        screenshot(page, out / "explore-dark.png")
        yield f"{path}: no error in the kernel", not kernel_errors(page), "\n".join(kernel_errors(page))
        yield f"{path}: no error on the console", not console_errors(errors), "\n".join(console_errors(errors))


def checks(notebooks, out):
    "Every check as (sentence, passed, what went wrong). Notebooks run in a copy, since JupyterLab saves what it opens."
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(
            ROOT / "nbs", Path(folder) / "nbs", symlinks=True, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
        )
        with jupyterlab(folder) as url:
            if not notebooks:
                yield from check_fixture(url, folder, out)
            for path in notebooks or NOTEBOOKS:
                path = f"nbs/{path.removeprefix('nbs/')}"
                _drop_export(Path(folder) / path)
                yield from (check_explorers if path.endswith(EXPLORE) else check_notebook)(url, path, out)


def _drop_export(path):
    "The cell that exports a notebook needs the whole project around it; leave it out of the copy."
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if "nbdev_export()" not in "".join(cell["source"])]
    path.write_text(json.dumps(notebook), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", help="paths of notebooks; without any, the fixture and NOTEBOOKS")
    parser.add_argument("--out", type=Path, default=ROOT / "browser", help="folder for screenshots")
    options = parser.parse_args()
    if absent := missing():
        sys.exit(f"missing: {absent}")
    bad = 0
    for name, ok, detail in checks(options.notebooks, options.out):
        bad += not ok
        print(
            f"{'ok    ' if ok else 'FAILED'}  {name}",
            *([detail] if not ok else []),
            sep="\n" if not ok else "",
            flush=True,
        )
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
