"""Make nbs/images/coverage.webp: hands on the coreset explorer, in JupyterLab in a headless Chromium."""

import math

from conftest import ROOT
from film import Film
from test_browser import chromium
from test_coverage import at, opened, served

TARGET = ROOT / "nbs/images/coverage.webp"


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
        film = Film(page)
        act(film, page)
        assert not errors, errors
    film.save(TARGET)


if __name__ == "__main__":
    main()
