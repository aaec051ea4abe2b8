"""Make nbs/images/coverage.webp: hands on the coreset explorer, in JupyterLab in a headless Chromium."""

import math
from io import BytesIO

from conftest import ROOT
from PIL import Image
from test_browser import chromium, wait_idle
from test_coverage import at, opened, served

TARGET = ROOT / "nbs/images/coverage.webp"
WIDTH = 960  # pixels
# A screenshot leaves out the pointer: an arrow follows it.
POINTER = """() => {
    const arrow = document.createElement('div')
    arrow.innerHTML = `<svg width="22" height="30"><path d="M1 1v22l5-5 4 10 4-2-4-9h8z" fill="#fff" stroke="#000"
        stroke-width="1.5"/></svg>`
    Object.assign(arrow.style, { position: 'fixed', zIndex: 99, pointerEvents: 'none' })
    document.body.append(arrow)
    document.addEventListener('pointermove', e => {
        Object.assign(arrow.style, { left: `${e.clientX}px`, top: `${e.clientY}px` }) }, true) }"""


class Film:
    "Frames of the explorer, and how long each is seen."

    def __init__(self, page):
        self.page, self.frames, self.times = page, [], []
        self.box = page.locator(".patchcore-explorer").bounding_box()

    def shot(self, milliseconds):
        wait_idle(self.page)
        seen = Image.open(BytesIO(self.page.screenshot(clip=self.box))).convert("RGB")
        self.frames.append(seen.resize((WIDTH, round(seen.height * WIDTH / seen.width)), Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def go(self, points, milliseconds):
        for point in points:
            self.page.mouse.move(*point)
            self.shot(milliseconds)

    def save(self):
        rest = {"append_images": self.frames[1:], "duration": self.times, "loop": 0, "save_all": True}
        self.frames[0].save(TARGET, quality=60, method=6, minimize_size=False, allow_mixed=True, **rest)
        print(f"{TARGET}: {self.frames[0].size}, {len(self.frames)} frames, {TARGET.stat().st_size / 1e6:.2f} MB")


def act(film, page):
    "Point at dots, draw around some, choose a size on the curve, choose a thumbnail, zoom."
    film.shot(1200)
    film.go([at(page, 0.3 + 0.045 * k, 0.5 - 0.05 * k) for k in range(5)], 700)
    ring = [(0.36 + 0.06 * math.cos(k / 2), 0.72 + 0.16 * math.sin(k / 2)) for k in range(13)]
    page.mouse.move(*at(page, *ring[0]))
    page.keyboard.down("Shift")
    page.mouse.down()
    film.go([at(page, *point) for point in ring[1:]], 80)
    page.mouse.up()
    page.keyboard.up("Shift")
    film.shot(2500)
    page.locator(".patchcore-tool", has_text="Clear").click()
    curve = page.locator(".patchcore-curve svg").bounding_box()
    places = [(curve["x"] + curve["width"] * (0.16 + 0.08 * k), curve["y"] + 110) for k in range(10)]
    page.mouse.move(*places[0])
    page.mouse.down()
    film.go(places, 350)
    page.mouse.up()
    film.shot(1200)
    for number in (3, 11):
        page.locator(".patchcore-thumbnail").nth(number).click()
        film.shot(1600)
    page.locator(".patchcore-dots").focus()
    page.mouse.move(*at(page, 0.5, 0.6))
    for _ in range(4):
        page.mouse.wheel(0, -160)
        film.shot(300)
    film.shot(2000)


def main():
    "Run the explorer, and write the film."
    with served() as url, chromium() as (page, errors):
        opened(page, url, "explorer.ipynb")
        page.evaluate(POINTER)
        film = Film(page)
        act(film, page)
        assert not errors, errors
    film.save()


if __name__ == "__main__":
    main()
