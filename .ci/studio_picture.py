"""Make nbs/images/studio.webp: a session of the studio, driven in a browser, a picture for each step."""

import shutil
import signal
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from test_browser import chromium
from test_studio import cards, draw, field, press, said, step

from patchcore_nb import make_demo

TARGET = Path(__file__).resolve().parent.parent / "nbs/images/studio.webp"
SIZE = {"width": 1000, "height": 720}  # pixels


def session(page):
    "Go through the studio, and yield after each step what is to be photographed."
    said(page, "photographs to learn from")
    cards(page).nth(6).click()
    press(page, "Use these photographs")
    said(page, "1 left out")
    yield
    draw(page)
    yield
    step(page, "Fit")
    press(page, "Fit")
    said(page, "Fitted: ")
    yield
    step(page, "Look")
    cards(page).nth(4).click()
    yield
    step(page, "Threshold")
    field(page, "False-alarm rate").fill("0.05")
    field(page, "False-alarm rate").press("Tab")
    press(page, "Set the threshold")
    said(page, "limit")
    yield
    step(page, "Improve")
    cards(page).first.click()
    press(page, "Learn the chosen ones")
    said(page, "Learned 1.")
    yield
    step(page, "Save")
    press(page, "Save script")
    said(page, "Written")
    page.locator(".patchcore-script pre").evaluate("text => { text.scrollTop = text.scrollHeight }")
    yield
    step(page, "Camera")
    field(page, "Camera or folder").fill("photos/blister/test/stain")
    field(page, "Camera or folder").press("Tab")
    press(page, "Start")
    page.locator(".patchcore-live img[alt*=png]").wait_for()
    page.wait_for_timeout(2000)
    yield


def main():
    "Serve the page, photograph it, write the picture."
    shots, folder = [], tempfile.mkdtemp()
    make_demo(Path(folder) / "photos", ("blister",), n_train=30, n_good=4, n_defect=3, progress=False)
    command = [
        sys.executable,
        "-c",
        "from patchcore_nb.apps.cli import cli\ncli()",
        "studio",
        "photos",
        "--port",
        "8872",
    ]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        address = next(line.strip() for line in server.stderr if "token=" in line)
        with chromium() as (page, _):
            page.set_viewport_size(SIZE)
            page.goto(address)
            for _ in session(page):
                page.locator(".patchcore-steps").scroll_into_view_if_needed()
                page.wait_for_timeout(500)
                shots.append(Image.open(BytesIO(page.screenshot())).convert("RGB"))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder)
    shots[0].save(TARGET, quality=70, method=6, save_all=True, append_images=shots[1:], duration=2500, loop=0)
    print(f"{TARGET}: {len(shots)} pictures, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
