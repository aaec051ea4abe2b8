"""The exported modules: they import alone, agree with the notebooks, are laid out by ruff and typed for mypy."""

import filecmp
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, copy_notebooks

PACKAGE = ROOT / "patchcore_nb"
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
MODULES = [".".join(path.with_suffix("").parts) for path in SOURCES if not path.stem.startswith("_")]
OPTIONAL = (
    *("faiss", "ipywidgets", "anywidget", "timm", "skimage", "wandb", "tensorboard", "dask", "distributed"),
    *("fastcore", "nbdev"),
)


def run(*command, cwd=ROOT):
    "Output of a command, which has to end well."
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("module", MODULES)
def test_import_alone(module, tmp_path):
    run(sys.executable, "-c", f"import patchcore_nb.{module}", cwd=tmp_path)


def test_import_of_the_package_is_light(tmp_path):
    heavy = {"torch", "faiss", "sklearn", "matplotlib"}
    run(sys.executable, "-c", f"import sys, patchcore_nb; assert not {heavy} & set(sys.modules)", cwd=tmp_path)


def test_import_without_optional_libraries(tmp_path):
    absent = f"import sys; sys.modules.update({dict.fromkeys(OPTIONAL)})"
    every = "; ".join(f"import patchcore_nb.{module}" for module in MODULES)
    run(sys.executable, "-c", f"{absent}; {every}", cwd=tmp_path)


def test_export_and_clean_leave_no_difference(tmp_path):
    "Everything that is generated, made again in a copy of the project, is what it was."
    copy = tmp_path / "copy"
    copy_notebooks(copy / "nbs")
    for name in ("patchcore_nb", ".ci"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("settings.ini", "setup.py", "_quarto.yml", "README.md"):
        shutil.copy(ROOT / name, copy)
    for path in (copy / "patchcore_nb").rglob("*.py"):
        if path != copy / "patchcore_nb/__init__.py":  # the one module that is written by hand
            path.unlink()
    scripts = ([sys.executable, f".ci/{name}.py"] for name in ("outputs", "readme"))
    for command in (["nbdev_export"], ["nbdev_clean"], *scripts):
        run(*command, cwd=copy)
    patterns = ("patchcore_nb/**/*.py", "nbs/**/*.ipynb", "README.md")
    here, there = ({p.relative_to(top) for pattern in patterns for p in top.glob(pattern)} for top in (ROOT, copy))
    assert {path for path in here ^ there if ".ipynb_checkpoints" not in path.parts} == set()
    differ = [str(path) for path in here & there if not filecmp.cmp(ROOT / path, copy / path, shallow=False)]
    assert not differ, "run `make export`"


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(words):
    run("ruff", *words, "--quiet", ".")


PROGRAM = """from patchcore_nb import PatchCore, TiledPatchCore

model = PatchCore("loupe", coreset=0.1).fit("good").calibrate(0.01)
names: list[str] = model.predict("photo.png").paths
tiled = TiledPatchCore(PatchCore("loupe"), tile=256).fit("good").set_threshold(1.0)
for verdict in tiled.stream("photos", batch_size=2): verdict.is_anomalous.any()
PatchCore("loupe", coreset="a tenth")
model.predict("photo.png").score
"""


def test_mypy(tmp_path):
    "The modules, and what a program that uses the package sees of them: two of its lines are wrong."
    mypy = (sys.executable, "-m", "mypy", "--config-file", str(ROOT / ".ci/mypy.ini"), "--cache-dir", str(tmp_path))
    run(*mypy, "patchcore_nb")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run([*mypy, str(program)], cwd=ROOT, capture_output=True, text=True)
    assert re.findall(r"program\.py:(\d+): error", done.stdout) == ["7", "8"], done.stdout
