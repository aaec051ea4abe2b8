"""Films of the explorers: screenshots of JupyterLab in a headless Chromium, with a pointer, as animated WebP."""

from io import BytesIO

from PIL import Image
from test_browser import wait_idle

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
    "Frames of the explorer on a page, and how long each is seen."

    def __init__(self, page):
        page.evaluate(POINTER)
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

    def save(self, target):
        rest = {"append_images": self.frames[1:], "duration": self.times, "loop": 0, "save_all": True}
        self.frames[0].save(target, quality=45, method=6, minimize_size=False, allow_mixed=True, **rest)
        print(f"{target}: {self.frames[0].size}, {len(self.frames)} frames, {target.stat().st_size / 1e6:.2f} MB")
