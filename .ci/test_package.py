"""The package as others get it: sdist and wheel are built, looked into, installed and used.

`make dist` runs these tests on files that it leaves in dist/, with TAG for a release.
"""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

SOURCES = ("patchcore_nb", "settings.ini", "setup.py", "README.md", "LICENSE", "MANIFEST.in")
DATA = {
    "box/loupe.safetensors",
    "box/loupe.json",
    "formats/reference.json",
    "look/coverage.css",
    "look/coverage.js",
    "look/heatmaps.js",
    "py.typed",
}
LIMIT = 8e6  # bytes of the wheel
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DEMO = """
import sys
from patchcore_nb import Geometry, MVTecAD, PatchCore, make_demo
import patchcore_nb
assert patchcore_nb.__file__.startswith(sys.argv[1]), patchcore_nb.__file__
make_demo("data", categories=["flange"], n_train=4, n_good=1, n_defect=1)
flange = MVTecAD("data", "flange", Geometry(128, 128))
maps = PatchCore("loupe", coreset=0.1, progress=False).fit(flange.train).predict(flange.test).maps
assert maps.shape == (len(flange.test), 128, 128) and maps.max() > 0, maps.shape
"""


def settings():
    "settings.ini"
    parser = ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return parser["DEFAULT"]


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    "The folder with sdist and wheel: made here from a copy of what a build needs, unless DIST names it."
    if "DIST" in os.environ:
        return Path(os.environ["DIST"]).resolve()
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder)], cwd=source, check=True)
    return folder


def test_contents(dist):
    "All modules, data and the licence are in sdist and wheel, and nothing else."
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "patchcore_nb").rglob("*.py")}
    package = modules | {f"patchcore_nb/{name}" for name in DATA}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name for name in names if ".dist-info/" not in name} == package
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < LIMIT
    with tarfile.open(sdist) as archive:
        source = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    source = {name for name in source if not name.startswith("patchcore_nb.egg-info/")} - {"PKG-INFO", "setup.cfg"}
    assert source == package | set(SOURCES) - {"patchcore_nb"}


def test_version(dist):
    "Version and Python versions are those of settings.ini everywhere, and of the tag where there is one."
    ours, [wheel] = settings(), dist.glob("*.whl")
    top = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M).group(1)
    tag = os.environ.get("TAG")
    assert top == tag == ours["version"] if tag else top in ("Unreleased", ours["version"])
    assert f'__version__ = "{ours["version"]}"' in (ROOT / "patchcore_nb/__init__.py").read_text(encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        meta = email.message_from_bytes(archive.read(name))
    assert (meta["Version"], meta["Requires-Python"]) == (ours["version"], f">={ours['min_python']}")
    assert not re.findall(r"\]\((?![a-z]+:|#)([^)]*)", meta.get_payload()), "relative links lead nowhere on PyPI"


def test_workflows():
    "Workflows fit GitHub's schema, test the Python versions of settings.ini, and test, build and publish a release."
    schema = ("--builtin-schema", "vendor.github-workflows")
    subprocess.run([sys.executable, "-m", "check_jsonschema", *schema, *map(str, WORKFLOWS)], check=True)
    flows = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"] for path in WORKFLOWS}
    assert all(yaml.safe_load(path.read_text(encoding="utf-8")).get("name") for path in WORKFLOWS)
    for jobs in flows.values():
        assert all({job["needs"]} <= set(jobs) for job in jobs.values() if "needs" in job)
    matrix = flows["test"]["test"]["strategy"]["matrix"]["include"]
    tested = sorted({job["python"] for job in matrix}, key=lambda python: int(python.split(".")[1]))
    assert tested == settings()["pythons"].split() and tested[0] == settings()["min_python"]
    release = flows["release"]
    assert release["test"]["uses"] == "./.github/workflows/test.yml"
    assert (release["build"]["needs"], release["publish"]["needs"]) == ("test", "build")
    assert "make dist TAG=" in str(release["build"]["steps"])
    assert "pypa/gh-action-pypi-publish@" in str(release["publish"]["steps"])
    assert release["publish"]["permissions"] == {"id-token": "write"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_are_bounded(path):
    "A job may read the repository unless it says more, ends after a time, and installs torch for the CPU."
    flow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert flow["permissions"] == {"contents": "read"}
    for job in (job for job in flow["jobs"].values() if "steps" in job):
        assert job["timeout-minutes"] <= 90
        commands = " ".join(step.get("run", "") for step in job["steps"])
        if re.search(r"\bmake\b|\.ci/run", commands):
            index = {**flow.get("env", {}), **job.get("env", {})}["PIP_EXTRA_INDEX_URL"]
            assert index == "https://download.pytorch.org/whl/cpu"


def test_wheel_works_where_it_is_installed(dist, tmp_path):
    "Command line, and a demo with the backbone in the box."
    [wheel], target = dist.glob("*.whl"), tmp_path.resolve() / "target"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    subprocess.run([*pip, str(target), str(wheel)], cwd=tmp_path, check=True)
    env = os.environ | {"PYTHONPATH": str(target)}
    said = subprocess.check_output([target / "bin/patchcore_nb", "--version"], cwd=tmp_path, env=env, text=True)
    assert settings()["version"] in said
    subprocess.run([sys.executable, "-c", DEMO, str(target)], cwd=tmp_path, env=env, check=True)
