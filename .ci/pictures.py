"""Make nbs/images/welcome.webp, the picture of the README, from demo data and Loupe: verdicts beside an explorer."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from patchcore_nb import Geometry, HeatmapExplorer, MVTecAD, PatchCore, make_demo
from patchcore_nb.box.pictures import DEFECT, GOOD, colour_bar, colour_scale, text_line
from patchcore_nb.prediction import Prediction, pixel_limit, score_in_words, seen

TARGET = Path(__file__).resolve().parent.parent / "nbs/images/welcome.webp"
GAP, SIDE, LARGE = 40, 316, 444  # pixels; the last two: sides of photographs, left and in the explorer
KINDS, MOVED = ("good", "stain"), "scratch"


def framed(pictures, verdict):
    "Two pictures in a frame: thin and solid for good parts, thick and dashed for defects."
    thick, colour = (12, DEFECT) if verdict == "defect" else (4, GOOD)
    left, right = pictures
    row = np.concatenate([np.pad(left, ((0, 0), (0, 8), (0, 0)), constant_values=255), right], axis=1)
    out = np.full((len(row) + 24, row.shape[1] + 24, 3), 255, dtype=np.uint8)
    out[12 - thick : len(out) - 12 + thick, 12 - thick : out.shape[1] - 12 + thick] = colour
    if verdict == "defect":
        y, x = np.indices(out.shape[:2])
        out[((x + y) // 28 % 3 == 2) & ((y < 12) | (y >= len(out) - 12) | (x < 12) | (x >= out.shape[1] - 12))] = 255
    out[12:-12, 12:-12] = row
    return out


def verdicts(prediction: Prediction, shown):
    "Photograph and overlay of some images under their verdicts, above the scale of colours."
    limit = pixel_limit(prediction)
    scale, rows = colour_scale(prediction.maps, limit), []
    for index in shown:
        image = seen(prediction, index, SIDE, scale, limit)
        sign, colour = ("◆ DEFECT", DEFECT) if image.verdict == "defect" else ("○ good", GOOD)
        told = f"{sign}   {score_in_words(prediction, index)}"
        rows += [text_line(told, 2 * SIDE, 28, True, colour), framed([image.photograph, image.overlay], image.verdict)]
    return stacked([*rows, colour_bar(scale, limit, 2 * SIDE + 24, 20)])


def stacked(parts):
    "Pictures below each other on white."
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(part, ((0, 8), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in parts]
    )


def moving(model, images, most):
    "The heatmap explorer while its threshold goes to a third of the limit, over most scores, and back to the limit."
    explorer = HeatmapExplorer(model, images, threshold=most, side=LARGE)
    explorer.image.value = images.defects.index(MOVED)
    title = text_line("An explorer: move the threshold", 2 * LARGE, 28, True)
    down, up = np.geomspace(most, most / 3, 8), np.geomspace(most / 3, 6 * most, 14)
    for threshold in [most, *down, *up, *np.geomspace(6 * most, most, 8)]:
        explorer.threshold.value = float(threshold)
        yield stacked([title, explorer.figure()])


def on_white(left, right):
    "Two pictures side by side."
    space = np.full((max(len(left), len(right)), GAP, 3), 255, dtype=np.uint8)
    parts = [np.pad(part, ((0, len(space) - len(part)), (0, 0), (0, 0)), constant_values=255) for part in (left, right)]
    row = np.concatenate([parts[0], space, parts[1]], axis=1)
    return Image.fromarray(np.pad(row, ((16, 16), (16, 16), (0, 0)), constant_values=255))


def main():
    "Judge the parts of the README's example, and write the picture."
    with tempfile.TemporaryDirectory() as folder:
        make_demo(folder, categories=["blister"], n_train=30, n_good=4, n_defect=2, progress=False)
        parts = MVTecAD(folder, "blister", Geometry(256))
        model = PatchCore("loupe", coreset=0.1, progress=False).fit(parts.train).calibrate(false_alarm_rate=0.05)
        prediction = model.predict(parts.test)
        left = verdicts(prediction, [parts.test.defects.index(kind) for kind in KINDS])
        frames = [on_white(left, right) for right in moving(model, parts.test, pixel_limit(prediction))]
    TARGET.parent.mkdir(exist_ok=True)
    times = [2000, *[150] * (len(frames) - 2), 3000]
    options = {"save_all": True, "append_images": frames[1:], "duration": times, "loop": 3}
    frames[0].save(TARGET, quality=70, method=6, minimize_size=False, allow_mixed=True, **options)
    print(f"{TARGET}: {frames[0].size}, {len(frames)} frames, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
