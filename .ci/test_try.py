"""The page "Try it in your browser" in Chromium: it judges and learns as Python does, and sends nothing anywhere.

Prints "skipped" where npm or Chromium cannot be reached; screenshots go to `browser/`.
"""

import base64
import functools
import shutil
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from test_browser import CHROMIUM, chromium
from try_page import MADE, SHOWN, SIDE, fetch_runtime, write_models, write_page

from patchcore_nb import make_demo
from patchcore_nb.coreset import choose_rows
from patchcore_nb.patches import to_rows
from patchcore_nb.scorer import MemoryBank, anomaly_maps

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (on Debian: apt-get install chromium)")
# Largest relative differences: a JPEG is decoded by another library, transparency is blended with other rounding.
BOUNDS = {"compressed.jpg": 1e-2, "clear.png": 3e-2}
ASK = """async ([files, taught]) => {
    const { ask } = await import(new URL('try/try.js', document.baseURI))
    const made = files.map(([name, text]) => new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name))
    const found = await ask(taught === null ? { files: made } : { file: made[0], taught })
    return { ...found, map: found.map && Array.from(found.map) } }"""


@contextmanager
def served(folder):
    "Address of a web server on loopback."

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *ignored):
            "Say nothing."

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def ask(page, paths, taught=None):
    "What the worker of the page finds in photographs; taught=None: teach it."
    files = [(path.name, base64.b64encode(path.read_bytes()).decode()) for path in paths]
    return page.evaluate(ASK, [files, taught])


def relative(found, expected):
    "Largest difference, relative to the largest value."
    expected = np.asarray(expected)
    return float(abs(np.asarray(found).reshape(expected.shape) - expected).max() / abs(expected).max())


def photographs(folder):
    "One part as other cameras deliver it: large, on its side, small, transparent, compressed."
    (folder / "odd").mkdir()
    part = Image.open(make_demo(folder / "demo", ("blister",)) / "blister/test/missing/000.png")
    turned = Image.Exif()
    turned[0x112] = 6  # the camera was held upright
    part.resize((2400, 1800)).save(folder / "odd/large.png")
    part.resize((900, 2100)).rotate(90, expand=True).save(folder / "odd/turned.png", exif=turned)
    part.resize((120, 150)).save(folder / "odd/small.png")
    clear = part.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(part.size))
    clear.save(folder / "odd/clear.png")
    part.resize((2400, 1800)).save(folder / "odd/compressed.jpg", quality=90)
    return sorted((folder / "odd").iterdir())


def judges_as_python(folder, model, place):
    "Score and map of the demo photographs, and of photographs of other sizes and kinds."
    shown = [folder / f"try/made/{label}.png" for label in SHOWN]
    with served(folder) as url, chromium() as (page, errors):
        page.goto(url)
        for path in [*shown, *photographs(place)]:
            found, expected = ask(page, [path], False), model.predict(path)
            score, in_map = relative(found["score"], expected.scores), relative(found["map"], expected.maps)
            print(f"{path.name}: score differs by {score:.1e}, map by {in_map:.1e}, {found['ms']:.0f} ms")
            assert max(score, in_map) < BOUNDS.get(path.name, 1e-5)
            assert found["threshold"] == model.calibration_.threshold
        assert not errors


def python_teaches(model, paths):
    "The same in Python: memory bank, picks, and score and highest pixel of each photograph by a bank of the others."

    def choose(parts):
        rows = torch.cat(parts)
        return rows, choose_rows(rows, int(0.05 * len(rows)), "greedy", projection_dim=rows.shape[1])

    parts = [to_rows(model.embed(model.geometry_.image(Image.open(path))[None])) for path in paths]
    patches = []
    for i, part in enumerate(parts):
        rows, picks = choose(parts[:i] + parts[i + 1 :])
        patches.append(MemoryBank(rows[picks]).search(part)[0].reshape(model.bank_.grid))
    rows, picks = choose(parts)
    peaks = anomaly_maps(torch.stack(patches), (SIDE, SIDE)).amax((1, 2))
    return MemoryBank(rows[picks]), picks, torch.stack(patches).amax((1, 2)), peaks


def learns_as_python(folder, model, place):
    "Picks, scores, limits and maps of a model that is taught in the page."
    demo = make_demo(place, ("flange",)) / "flange"
    good = sorted((demo / "train/good").iterdir())[:8]
    bank, picks, scores, peaks = python_teaches(model, good)
    with served(folder) as url, chromium() as (page, errors):
        page.goto(url)
        taught = ask(page, good)
        assert taught["picks"] == picks.tolist()
        assert relative(taught["scores"], scores) < 1e-5
        assert relative(taught["threshold"], 1.001 * scores.max()) < 1e-5
        assert relative(taught["pixelThreshold"], 1.001 * peaks.max()) < 1e-5
        for path in sorted((demo / "test").glob("*/000.png")):
            found, x = ask(page, [path], True), model.geometry_.image(Image.open(path))
            distances = bank.search(to_rows(model.embed(x[None])))[0].reshape(1, *model.bank_.grid)
            score, in_map = (
                relative(found["score"], distances.max()),
                relative(found["map"], anomaly_maps(distances, x.shape[1:])),
            )
            print(
                f"{path.parent.name}: {found['score'] / found['threshold']:.2f} x limit, {found['ms']:.0f} ms, "
                f"score differs by {score:.1e}, map by {in_map:.1e}"
            )
            assert max(score, in_map) < 1e-5
        with pytest.raises(Exception, match=r"000\.png and 000\.png are the same photograph"):
            ask(page, good[:1] * 5)
        with pytest.raises(Exception, match=r"broken\.png: this browser cannot read it"):
            (place / "broken.png").write_bytes(b"no picture")
            ask(page, [*good, place / "broken.png"])
        assert ask(page, [good[0]], True)["threshold"] == taught["threshold"]  # the model before is still there
        assert not errors


def settled(page):
    "The verdict of the page, once it is there."
    page.wait_for_function("() => /limit|read/.test(document.getElementById('verdict').textContent)", timeout=120_000)
    return page.locator("#verdict").text_content(), page.locator("#verdict").get_attribute("class")


def works_for_a_person(folder, model, place):
    "Keys, slider, overlay, both themes and widths; once it is loaded, the page needs no network and asks for nothing."
    demo = make_demo(place, ("blister",)) / "blister"
    good = sorted((demo / "train/good").iterdir())[:6]
    with served(folder) as url, chromium() as (page, errors):
        asked = []
        page.context.on("request", lambda request: asked.append((request.method, request.url)))
        page.goto(url)
        page.locator("#demo button").nth(len(SHOWN) - 1).wait_for()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert settled(page) == ("○ good, 0.75 times the limit: good 1", "good")
        page.set_input_files("#good", good[:4])
        assert page.locator("#learned").text_content() == "4 photographs: 5 to 20 are needed."
        page.set_input_files("#good", good)
        page.wait_for_function("() => /Learned/.test(document.getElementById('learned').textContent)", timeout=120_000)

        assert any(place.endswith(".wasm") for _, place in asked)  # requests of the worker are seen, too
        assert asked and all(method == "GET" and place.startswith((url, "blob:")) for method, place in asked)
        page.context.set_offline(True)
        asked.clear()
        for label, path in SHOWN.items():
            page.locator("#demo button", has_text=label).click()
            expected = model.predict(folder / f"try/made/{label}.png")
            said, kind = settled(page)
            assert said.endswith(f"times the limit: {label}") and kind == (
                "defect" if expected.is_anomalous[0] else "good"
            )
            assert f"{expected.relative_scores[0] - 0.005:.2f}" in said, (label, path)
            assert (kind == "good") == (label.startswith("good") or label == "scratch 2")  # as the page says
        before, slider = settled(page), page.locator("#limit")
        assert before[1] == "good"  # the scratch that is missed
        slider.focus()
        for _ in range(30):
            slider.press("ArrowLeft")
        assert settled(page)[1] == "defect"
        pictures = {on: page.locator("#map").set_checked(on) or shot(page) for on in (True, False)}
        assert pictures[True] != pictures[False]
        page.locator("#map").check()
        for width in (390, 1440):
            for theme in ("light", "dark"):
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=theme)
                assert page.evaluate("() => document.documentElement.scrollWidth") <= width
                page.screenshot(path=ROOT / f"browser/try-{width}-{theme}.png", full_page=True)
        page.locator("#own").check()
        page.set_input_files("#file", demo / "test/missing/001.png")
        said, kind = settled(page)
        assert kind == "defect" and said.endswith("001.png")
        assert "your part" in page.locator("#told").text_content()
        page.set_input_files("#file", {"name": "<b>.png", "mimeType": "image/png", "buffer": b"no picture"})
        assert settled(page)[0].startswith("<b>.png: this browser cannot read it as a photograph")
        assert not [place for _, place in asked if not place.startswith("blob:")]
        assert not errors


def shot(page):
    "The pixels of the overlay."
    text = page.locator("#picture").evaluate("canvas => canvas.toDataURL('image/png').split(',')[1]")
    return Image.open(BytesIO(base64.b64decode(text))).tobytes()


def test_try_page(tmp_path):
    "One test, since making the page takes half a minute."
    write_page(folder := tmp_path / "page")
    if (MADE / "ort").exists():
        shutil.copytree(MADE / "ort", folder / "try/made/ort")
    try:
        fetch_runtime(folder / "try/made/ort")
    except OSError as error:
        pytest.skip(str(error))
    model = write_models(folder / "try/made")
    for check in (judges_as_python, learns_as_python, works_for_a_person):
        (place := tmp_path / check.__name__).mkdir()
        check(folder, model, place)
