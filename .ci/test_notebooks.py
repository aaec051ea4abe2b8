"""All notebooks, as nbdev_test runs them."""

import csv
import json
import logging
import os
import re
import sys

import pytest
from conftest import ROOT
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.test import test_nb as run_notebook

FLAGS = get_config().tst_flags.split()
# The longest notebooks begin first, so that none of them is left alone at the end.
LONG = (
    *("train_loupe", "05_export", "06_estimator", "11_look", "02_official_cli", "01_cli", "few_shot", "05_tiles"),
    *("00_robustness", "03_distributed", "10_scale_formats", "09_line", "08_apps", "your_own_images", "05_heatmaps"),
    *("01_figures", "quickstart", "07_evaluate", "01_backbones", "03_demo", "00_search", "06_metrics", "03_serve"),
    *("00_loggers", "03_calibration", "ensembles_and_backbones", "reading_results"),
)


def notebooks():
    "The notebooks that nbdev_test would choose, the longest first."
    paths = sorted((ROOT / path).resolve() for path in nbglob())
    for path in sorted(paths, key=lambda path: LONG.index(path.stem) if path.stem in LONG else len(LONG)):
        yield pytest.param(path, id=str(path.relative_to(ROOT / "nbs").with_suffix("")))


@pytest.fixture(autouse=True)
def restored():
    "Keep what a notebook changes in its process from the next one: environment, loggers, threads."
    environment = dict(os.environ)
    levels = {name: logging.getLogger(name).level for name in ("patchcore_nb", "distributed")}
    yield
    os.environ.clear()
    os.environ.update(environment)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.mark.parametrize("path", list(notebooks()))
def test_notebook(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    if all(re.match(rf"#\| *({'|'.join(FLAGS)})\b", source) for source in sources):
        pytest.skip("every cell has a flag such as slow; its stored output stands")
    passed, _ = run_notebook(path, skip_flags=FLAGS, basepath=ROOT)
    assert passed, f"{path.name}: the traceback stands in the captured output"


@pytest.mark.parametrize("column, least", [("instance_auroc", 0.99), ("full_pixel_auroc", 0.98)])
def test_demo_detects(column, least):
    "The figures that `make demo` wrote are at most a point below what Loupe reaches, 1.0 and 0.993."
    table = ROOT / "demo/results/results.csv"
    if not table.exists():
        pytest.skip("figures of the demo: run `make demo` first")
    mean = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))[-1]
    assert float(mean[column]) >= least
