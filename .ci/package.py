"""The package as others get it: sdist and wheel are built, looked into, installed and used.

`python .ci/package.py FOLDER [TAG]` leaves the two files in FOLDER; with TAG it checks that the tag, the version and the changelog agree.
"""

import configparser
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("patchcore_nb", "settings.ini", "setup.py", "README.md", "LICENSE", "MANIFEST.in")
DATA = {"box/loupe.safetensors", "box/loupe.json", "formats/reference.json", "py.typed"}
LIMIT = 8e6  # bytes of the wheel
DEMO = """
from patchcore_nb import Geometry, MVTecAD, PatchCore, make_demo
import patchcore_nb
assert patchcore_nb.__file__.startswith({0!r}), patchcore_nb.__file__
make_demo("data", categories=["flange"], n_train=4, n_good=1, n_defect=1)
flange = MVTecAD("data", "flange", Geometry(128, 128))
maps = PatchCore("loupe", coreset=0.1, progress=False).fit(flange.train).predict(flange.test).maps
assert maps.shape == (len(flange.test), 128, 128) and maps.max() > 0, maps.shape
"""


def settings():
    "settings.ini"
    parser = configparser.ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return parser["DEFAULT"]


def run(*command, cwd, env=None):
    "Whether a command ended well, and its output."
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | (env or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode == 0, done.stdout


def build(folder):
    "Build sdist and wheel into a folder, from a copy of the files that a build needs: whether that went well, and the output."
    with tempfile.TemporaryDirectory() as source:
        for name in SOURCES:
            path = ROOT / name
            if path.is_dir():
                shutil.copytree(path, Path(source) / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, source)
        return run(sys.executable, "-m", "build", "--outdir", str(folder), cwd=source)


def contents(folder):
    "What is wrong with the files in sdist and wheel."
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    modules = {path.relative_to(ROOT / "patchcore_nb").as_posix() for path in (ROOT / "patchcore_nb").rglob("*.py")}
    package = {f"patchcore_nb/{name}" for name in modules | DATA}
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name or name.endswith("LICENSE")}
    with tarfile.open(sdist) as archive:
        source = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    licence = {name for name in inside if name.endswith(".dist-info/licenses/LICENSE")}
    wrong = [f"wheel: {sorted(package ^ (inside - licence))}"] * (inside - licence != package) + [
        "wheel: no LICENSE"
    ] * (not licence)
    made = {"PKG-INFO", "setup.cfg"}  # by setuptools
    source = {name for name in source if not name.startswith("patchcore_nb.egg-info/")} - made
    wanted = package | set(SOURCES) - {"patchcore_nb"}
    wrong += [f"sdist: {sorted(wanted ^ source)}"] * (source != wanted)
    return wrong + [f"wheel: {wheel.stat().st_size / 1e6:.1f} MB"] * (wheel.stat().st_size > LIMIT)


def versions(wheel=None, tag=None):
    "Where version and Python versions differ from those of settings.ini: the package, the changelog, the wheel's metadata, the workflows, the tag of a release."
    ours = settings()
    version = ours["version"]
    top = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M).group(1)
    written = re.search(
        r'^__version__ = "(.+)"$', (ROOT / "patchcore_nb/__init__.py").read_text(encoding="utf-8"), re.M
    ).group(1)
    wrong = [f"patchcore_nb.__version__ is {written}, settings.ini has {version}: run nbdev_export"] * (
        written != version
    )
    if tag is None:
        wrong += [f"CHANGELOG.md begins with {top}, neither Unreleased nor {version}"] * (
            top not in ("Unreleased", version)
        )
    else:
        wrong += [f"the tag is {tag}, settings.ini has {version}"] * (tag != version) + [
            f"CHANGELOG.md begins with {top}, not with {version}"
        ] * (top != version)
    matrix = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]["test"][
        "strategy"
    ]["matrix"]["include"]
    tested = sorted({job["python"] for job in matrix}, key=lambda python: int(python.split(".")[1]))
    if tested != ours["pythons"].split() or tested[0] != ours["min_python"]:
        wrong.append(
            f"tested on {tested}, settings.ini has pythons = {ours['pythons']}, min_python = {ours['min_python']}"
        )
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            meta = email.message_from_bytes(
                archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA")))
            )
        if (meta["Version"], meta["Requires-Python"]) != (version, f">={ours['min_python']}"):
            wrong.append(f"the wheel says version {meta['Version']}, Python {meta['Requires-Python']}")
        relative = re.findall(r"\]\((?![a-z]+:|#)([^)]*)", meta.get_payload())
        wrong += [f"links of the README that lead nowhere on a package index: {relative}"] * bool(relative)
    return wrong


def workflow_lacks():
    "What a release needs and .github/workflows/release.yml does not have; what makes no sense to GitHub in any workflow."
    flows = {
        path.name: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / ".github/workflows").glob("*.yml"))
    }
    lacks = []
    for name, flow in flows.items():
        if not flow.get("name") or not flow.get(True):
            lacks.append(f"{name}: name, on")  # YAML reads the key `on` as true
        for key, job in flow["jobs"].items():
            lacks += [f"{name}: job {key}: {need}" for need in ("runs-on", "steps") if not job.get(need)]
            lacks += [
                f"{name}: job {key}: step {step} has to have either uses or run"
                for step in job.get("steps", [])
                if ("uses" in step) == ("run" in step)
            ]
            if job.get("needs", key) not in flow["jobs"]:
                lacks.append(f"{name}: job {key} needs {job['needs']}, which is not there")
    release = flows["release.yml"]["jobs"]
    steps = {
        key: " ".join(str(step.get("uses", step.get("run"))) for step in job["steps"]) for key, job in release.items()
    }
    lacks += [
        f"release.yml: {step} in {key}"
        for key, step in (("build", "make dist TAG="), ("publish", "pypa/gh-action-pypi-publish@"))
        if step not in steps[key]
    ]
    return lacks + ["release.yml: permission id-token: write to publish"] * (
        release["publish"]["permissions"].get("id-token") != "write"
    )


def used(wheel):
    "The wheel, installed into a folder of its own: command line and a small demo. Whether it worked, and the output."
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder).resolve() / "target")
        fine, output = run(
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, str(wheel), cwd=folder
        )
        if not fine:
            return fine, output
        for command in ([f"{target}/bin/patchcore_nb", "--version"], [sys.executable, "-c", DEMO.format(target)]):
            fine, output = run(*command, cwd=folder, env={"PYTHONPATH": target})
            if not fine or (command[-1] == "--version" and settings()["version"] not in output):
                return False, output
    return True, ""


def checks(folder, tag=None):
    "Every check as (sentence, passed, what went wrong)."
    fine, output = build(folder)
    yield "sdist and wheel are built", fine, output
    if not fine:
        return
    [wheel] = folder.glob("*.whl")
    wrong = contents(folder)
    yield (
        f"all modules, data and the licence are in sdist and wheel, nothing else; the wheel is below {LIMIT / 1e6:.0f} MB",
        not wrong,
        "\n".join(wrong),
    )
    wrong = versions(wheel, tag)
    yield "version and Python versions agree with settings.ini", not wrong, "\n".join(wrong)
    yield (
        "the workflows are sound, and a tag is built, checked and published",
        not workflow_lacks(),
        "\n".join(workflow_lacks()),
    )
    yield "the wheel works where it is installed: command line, and a demo with the backbone in the box", *used(wheel)


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    if target.exists() and any(target.iterdir()):
        sys.exit(f"{target} is not empty: two files of another version may lie there")
    bad = 0
    for sentence, passed, detail in checks(target, *sys.argv[2:]):
        print(f"{'ok    ' if passed else 'FAILED'}  {sentence}" + ("" if passed else f"\n{detail}"), flush=True)
        bad += not passed
    sys.exit(bool(bad))
