"""What `make test` adds to pytest: a line with the seconds of each test, and `N passed, N failed` at the end."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.chdir(ROOT)
os.environ["MPLBACKEND"] = "agg"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; OMP_NUM_THREADS=4 make test: four threads each


KINDS = {".ipynb", ".yml", ".npz", ".jpg", ".webp", ".json", ".md"}
MADE = {"demo", "made", "quickstart", "mvtec_results", "gallery", "loupe_run", ".hypothesis", ".ipynb_checkpoints"}


def copy_notebooks(target):
    "Copy nbs/, without what notebooks that run at the same time make and remove there."
    for path in sorted((ROOT / "nbs").rglob("*")):
        place = path.relative_to(ROOT / "nbs")
        if path.suffix in KINDS and not MADE & set(place.parts):
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / place, follow_symlinks=False)


def pytest_report_header():
    "Say at the top which tests leave something out."
    absent = [name for name in ("PATCHCORE_NB_DATA", "PATCHCORE_NB_WEIGHTS") if not os.environ.get(name)]
    return [f"skipped: parts of notebooks that need {name}, which is not set" for name in absent]


def pytest_report_teststatus(report):
    "The line of a test that passed says how long it took."
    if report.when == "call" and report.passed:
        return "passed", ".", f"ok {report.duration:5.0f} s"
    return None


def pytest_unconfigure(config):
    "End with a plain count of what ran."
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not hasattr(config, "workerinput"):
        count = {kind: len(reporter.stats.get(kind, [])) for kind in ("passed", "failed", "error")}
        print(f"{count['passed']} passed, {count['failed'] + count['error']} failed")
