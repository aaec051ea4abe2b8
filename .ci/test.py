"""Everything `make test` checks. Ends with the line `N passed, N failed`, which counts what ran."""

import csv
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import worker  # a module of its own, since a notebook that has run in a process is `__main__` there

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "patchcore_nb"
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
MODULES = [".".join(path.with_suffix("").parts) for path in SOURCES if not path.stem.startswith("_")]
DEMO_AT_LEAST = {"instance_auroc": 0.77, "full_pixel_auroc": 0.925}  # a few points below what Loupe reaches
# The longest notebooks, begun first, so that none of them is left alone at the end.
LONG = [
    f"{name}.ipynb"
    for name in (
        "train_loupe",
        "01_cli",
        "02_official_cli",
        "few_shot",
        "00_robustness",
        "your_own_images",
        "05_tiles",
        "03_distributed",
        "02_widgets",
        "01_figures",
        "quickstart",
        "07_evaluate",
        "05_export",
        "01_backbones",
        "03_demo",
        "00_search",
        "06_metrics",
        "03_serve",
        "00_loggers",
        "03_calibration",
        "ensembles_and_backbones",
        "reading_results",
    )
]
passed, failed = [], []


def run(*command, cwd=ROOT, env=None):
    "Exit status and output of a command."
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | (env or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def report(name, ok, output=""):
    "Count one check and show what went wrong."
    (passed if ok else failed).append(name)
    print(f"{'ok    ' if ok else 'FAILED'}  {name}", flush=True)
    if not ok and output:
        print(output, flush=True)


def notebooks():
    "All notebooks as nbdev_test runs them, each reported when it ends."
    for variable in ("PATCHCORE_NB_DATA", "PATCHCORE_NB_WEIGHTS"):
        if not os.environ.get(variable):
            print(f"skipped: tests that need {variable}, which is not set")
    from nbdev.config import get_config
    from nbdev.doclinks import nbglob  # chooses the notebooks that nbdev_test runs

    paths = sorted(Path(path).absolute() for path in nbglob())
    for path in filter(all_flagged, paths):
        print(f"skipped: {path.name}, whose cells all carry a flag such as slow; its output is kept")
    paths = [path for path in paths if not all_flagged(path)]
    paths.sort(key=lambda path: LONG.index(path.name) if path.name in LONG else len(LONG))
    flags = get_config().tst_flags.split()
    sys.stdout.flush()  # before a fork, which would copy what waits to be written
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 8), initializer=worker.one_thread) as workers:
        running = {workers.submit(worker.tested, path, flags, ROOT): path for path in paths}
        for future in as_completed(running):
            try:
                ok, seconds, output = future.result()
            except Exception as error:  # a worker process died, and with it all that had not ended; or no notebook
                ok, seconds, output = False, 0, f"not run to its end: {type(error).__name__}: {error}"
            report(f"{running[future].name}  {seconds:.0f} s", ok, output)


def all_flagged(path):
    "Whether nbdev_test leaves out every code cell of a notebook."
    sources = [
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    return all(re.match(r"#\| *(slow|gpu)\b", source) for source in sources)


def demo():
    "The figures that `make demo` wrote, where it ran: the backbone in the box detects."
    table = ROOT / "demo/results/results.csv"
    if not table.exists():
        print("skipped: figures of the demo; run `make demo` first")
        return
    mean = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))[-1]
    for column, least in DEMO_AT_LEAST.items():
        report(f"demo: mean {column} {float(mean[column]):.3f} is at least {least}", float(mean[column]) >= least)


def imports():
    "Every module alone in a fresh interpreter; the package without the heavy libraries and without the optional ones."
    for module in MODULES:
        report(f"import patchcore_nb.{module}", *_python(f"import patchcore_nb.{module}"))
    light = "import sys, patchcore_nb; heavy = {'torch', 'faiss', 'sklearn', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    report("import patchcore_nb is light", *_python(light))
    every = "; ".join(f"import patchcore_nb.{module}" for module in MODULES)
    absent = "import sys; sys.modules.update({m: None for m in ('faiss', 'ipywidgets', 'anywidget', 'timm', 'skimage', 'wandb', 'tensorboard', 'dask', 'distributed', 'fastcore', 'nbdev')})"
    report(
        "imports without faiss, ipywidgets, anywidget, timm, scikit-image, wandb, tensorboard, dask, nbdev",
        *_python(f"{absent}; {every}"),
    )


def _python(code):
    status, output = run(sys.executable, "-c", code, cwd=tempfile.gettempdir())
    return status == 0, output


def package():
    "The package as others get it."
    import package as parcel

    with tempfile.TemporaryDirectory() as tmp:
        for name, ok, detail in parcel.checks(Path(tmp)):
            report(f"package: {name}", ok, detail)


def in_step():
    "Exporting and cleaning the notebooks again changes nothing, and README.md is made from the index."
    with tempfile.TemporaryDirectory() as tmp:
        copy = Path(tmp) / "copy"
        keep = ("nbs", "patchcore_nb", "settings.ini", "setup.py", "_quarto.yml", "README.md", ".ci")
        for name in keep:
            source = ROOT / name
            ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(source, copy / name, symlinks=True, ignore=ignore) if source.is_dir() else shutil.copy(
                source, copy / name
            )
        for path in SOURCES:
            if path != Path("__init__.py"):  # the one module that is written by hand
                (copy / "patchcore_nb" / path).unlink()
        for command in (["nbdev_export"], ["nbdev_clean"], [sys.executable, ".ci/readme.py"]):
            status, output = run(*command, cwd=copy)
            if status:
                report(" ".join(command), False, output)
        same = {
            path.relative_to(ROOT): _same(path, copy / path.relative_to(ROOT))
            for path in (PACKAGE / path for path in SOURCES)
        }
        stray = {path.relative_to(copy / "patchcore_nb") for path in (copy / "patchcore_nb").rglob("*.py")} ^ set(
            SOURCES
        )
        report(
            "nbdev_export leaves no diff",
            all(same.values()) and not stray,
            f"{[str(p) for p, ok in same.items() if not ok]} {stray}",
        )
        dirty = [
            str(p.relative_to(ROOT))
            for p in sorted((ROOT / "nbs").rglob("*.ipynb"))
            if ".ipynb_checkpoints" not in p.parts and not _same(p, copy / p.relative_to(ROOT))
        ]
        report("nbdev_clean leaves no diff", not dirty, str(dirty))
        report(
            "README.md is made from nbs/index.ipynb", _same(ROOT / "README.md", copy / "README.md"), "run `make export`"
        )


def _same(a, b):
    return b.exists() and filecmp.cmp(a, b, shallow=False)


def style():
    "ruff, and outputs without errors."
    for words in (["check"], ["format", "--check"]):
        status, output = run("ruff", *words, "--quiet", ".")
        report(f"ruff {words[0]}", status == 0, output)
    wrong = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "nbs").rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
        and any(
            o["output_type"] == "error" for c in json.loads(path.read_text())["cells"] for o in c.get("outputs", [])
        )
    ]
    report("no stored output is an error", not wrong, str(wrong))


PROGRAM = """from patchcore_nb import PatchCore, TiledPatchCore

model = PatchCore("loupe", coreset=0.1).fit("good").calibrate(0.01)
names: list[str] = model.predict("photo.png").paths
tiled = TiledPatchCore(PatchCore("loupe"), tile=256).fit("good").set_threshold(1.0)
for verdict in tiled.stream("photos", batch_size=2): verdict.is_anomalous.any()
PatchCore("loupe", coreset="a tenth")
model.predict("photo.png").score
"""


def types():
    "mypy: the modules, and what a program that uses the package sees of them."
    with tempfile.TemporaryDirectory() as tmp:
        mypy = (sys.executable, "-m", "mypy", "--config-file", str(ROOT / ".ci/mypy.ini"), "--cache-dir", tmp)
        status, output = run(*mypy, "patchcore_nb")
        report("mypy", status == 0, output)
        (Path(tmp) / "program.py").write_text(PROGRAM, encoding="utf-8")
        _, output = run(*mypy, "program.py", cwd=tmp, env={"MYPYPATH": str(ROOT)})
        wrong = re.findall(r"^program\.py:(\d+): error", output, re.M)
        report("mypy sees what is wrong in a program that uses the package, and only that", wrong == ["7", "8"], output)


def site():
    "The docs site, as far as it can be judged without Quarto."
    import docs

    for name, ok, detail in docs.checks():
        report(f"site: {name}", ok, detail)


def browser():
    "Notebooks in a real browser: cells, widgets, console. Screenshots for the eye lie in browser/ afterwards."
    import browser as harness

    if absent := harness.missing():
        print(f"skipped: notebooks in a browser, for want of {absent}")
        return
    try:
        for name, ok, detail in harness.checks((), ROOT / "browser"):
            report(f"browser: {name}", ok, detail)
    except Exception as error:  # Playwright's and ours: a page that hangs is a failed check, not the end of all checks
        report("browser: the page answers", False, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    os.chdir(ROOT)
    for check in (demo, notebooks, imports, package, in_step, style, types, site, browser):
        check()
    if failed:
        print("failed:", ", ".join(failed))
    print(f"{len(passed)} passed, {len(failed)} failed")
    sys.exit(bool(failed))
