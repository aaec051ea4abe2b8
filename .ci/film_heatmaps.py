"""Make nbs/images/heatmaps.webp: hands on the heatmap explorer, in JupyterLab in a headless Chromium."""

from conftest import ROOT
from film import Film
from test_browser import chromium, open_notebook, ran_through
from test_heatmaps import at_top, choose, dots, served

TARGET = ROOT / "nbs/images/heatmaps.webp"


def act(film, page):
    "Go through defects by key, drag the line, open an image by its dot, look at a patch, choose a rate."
    overlay, line = page.locator(".patchcore-overlay img"), page.locator(".patchcore-strip [role=slider]")
    film.shot(1500)
    overlay.focus()
    for key in ("n", "n", "n"):
        overlay.press(key)
        film.shot(900)
    box = line.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 4
    page.mouse.move(x, y)
    page.mouse.down()
    film.go([(x + step, y) for step in (*range(0, 100, 20), *range(80, -30, -20))], 250)
    page.mouse.up()
    film.shot(900)
    name, x, y = sorted(dots(page), key=lambda dot: dot[1])[len(dots(page)) // 3]
    film.go([(x, y)], 900)
    page.mouse.click(x, y)
    film.shot(1500)
    overlay.focus()
    overlay.press("n")
    place = overlay.bounding_box()
    for across, down in ((0.5, 0.3), (0.55, 0.5), (0.4, 0.6)):
        at = place["x"] + across * place["width"], place["y"] + down * place["height"]
        page.mouse.move(*at)
        page.mouse.click(*at)
        film.shot(1500)
    choose(page, "False alarms", "5 %")
    film.shot(2500)


def main():
    "Run the explorer, and write the film."
    with served() as url, chromium() as (page, errors):
        page.set_viewport_size({"width": 1300, "height": 800})
        open_notebook(page, url, "heatmaps.ipynb")
        ran_through(page)
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        at_top(page)
        film = Film(page)
        act(film, page)
        assert not errors, errors
    film.save(TARGET)


if __name__ == "__main__":
    main()
