"""Make the pictures of the README, nbs/images/*, from demo data and Loupe: the first test image of each kind."""

import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.decomposition import PCA

from patchcore_nb import Geometry, MVTecAD, PatchCore, make_demo
from patchcore_nb.coreset import nearest_pick_distances, select_coreset
from patchcore_nb.look.viz import heatmaps
from patchcore_nb.patches import to_rows

IMAGES = Path(__file__).resolve().parent.parent / "nbs/images"
SHOWN = {"flange": ("good", "missing", "scratch"), "shingle": ("stain",)}
PANELS = ("photograph", "ground truth", "anomaly map", "overlay")
SIZE = 256


def strip(demo):
    "Draw photograph, ground truth, map and overlay of some parts; return the first model and its training set."
    fig, axs = plt.subplots(sum(map(len, SHOWN.values())), 1, figsize=(7.4, 7.6), layout="constrained")
    fitted, row = [], 0
    for category, kinds in SHOWN.items():
        parts = MVTecAD(demo, category, Geometry(SIZE, SIZE))
        model = PatchCore("loupe", coreset=0.1, progress=False).fit(parts.train)
        prediction = model.predict(parts.test)
        fitted.append((model, parts.train))
        for kind in kinds:
            number = parts.test.defects.index(kind)
            [(_, picture)] = heatmaps(parts.test, prediction, only=[number])
            axs[row].imshow(picture)
            axs[row].set_title(f"{category}, {kind}: image score {prediction.scores[number]:.0f}", fontsize=10)
            axs[row].axis("off")
            row += 1
    for number, name in enumerate(PANELS):
        axs[-1].annotate(
            name, ((number + 0.5) / len(PANELS), -0.08), xycoords="axes fraction", ha="center", va="top", fontsize=10
        )
    fig.savefig(IMAGES / "heatmaps.jpg", dpi=115, pil_kwargs={"quality": 85})
    return fitted[0]


def coreset(model, train):
    "Patch embeddings in two dimensions: 1 % of them drawn at random, and the same number chosen by greedy selection."
    rows = torch.cat([to_rows(model.embed(train[i]["image"][None])) for i in range(12)])
    flat = PCA(2).fit_transform(rows.numpy())
    fig, axs = plt.subplots(1, 2, figsize=(7.4, 3.5), sharex=True, sharey=True, layout="constrained")
    for ax, sampler, name in zip(axs, ("random", "approx_greedy"), ("drawn at random", "greedy coreset")):
        picks = select_coreset(rows, 0.01, sampler, torch.Generator().manual_seed(0))
        far = nearest_pick_distances(rows, picks)
        if sampler == "random":
            highest = np.percentile(far, 99.5)
        order = np.argsort(far)
        dots = ax.scatter(*flat[order].T, c=far[order], s=3, cmap="viridis", vmin=0, vmax=highest, rasterized=True)
        ax.scatter(*flat[picks].T, s=18, facecolors="none", edgecolors="crimson", linewidths=1)
        ax.set(title=f"{name}: covering radius {far.max():.1f}", xticks=[], yticks=[])
        ax.title.set_fontsize(10)
    fig.colorbar(dots, ax=axs, label="distance to the nearest pick", extend="max")
    fig.savefig(IMAGES / "coreset.jpg", dpi=115, pil_kwargs={"quality": 80})


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        coreset(*strip(make_demo(Path(folder) / "demo", categories=tuple(SHOWN))))
