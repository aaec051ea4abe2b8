"""The page "Try it in your browser": the files that it loads, and a way to look at it without Quarto.

`python .ci/try_page.py` makes nbs/try/made/, as `make docs` does before it renders the site;
`python .ci/try_page.py FOLDER` also puts the whole page into a folder that any web server can show, for `make try`.
"""

import base64
import hashlib
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

import onnx
import torch

from patchcore_nb import Geometry, MVTecAD, PatchCore, make_demo
from patchcore_nb.formats.export import NetworkInput, export_onnx, goes_down_first, graph_program
from patchcore_nb.patches import to_rows
from patchcore_nb.scorer import anomaly_maps

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / "nbs/try/made"
SIDE = 256  # of the network input, pixels
PACKAGE = "onnxruntime-web@1.30.0"  # MIT
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
# What the page shows under each photograph, and the photograph. The last scratch is missed.
SHOWN = {
    "good 1": "good/000",
    "good 2": "good/001",
    "good 3": "good/002",
    "missing": "missing/000",
    "hair": "contamination/000",
    "stain": "stain/001",
    "scratch 1": "scratch/002",
    "scratch 2": "scratch/000",
}


def fetch_runtime(folder):
    "Put ONNX Runtime Web into a folder: its script, its program and its licence. Raises `OSError` without npm."
    if all((folder / name).exists() for name in (*RUNTIME, PACKAGE)):
        return
    with tempfile.TemporaryDirectory() as place:
        command = f"npm pack {PACKAGE} --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000".split()
        packed = subprocess.run(command, cwd=place, capture_output=True, text=True)  # OSError: there is no npm
        if packed.returncode:
            raise OSError(f"npm could not fetch {PACKAGE}: {packed.stderr.strip()[-300:]}")
        (file,) = Path(place).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            raise ValueError(f"{PACKAGE} has the hash {found}, expected {INTEGRITY}")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(file) as archive:
            for name in RUNTIME:
                (folder / name).write_bytes(archive.extractfile(f"package/dist/{name}").read())
    for part in importlib.metadata.files("onnxruntime"):  # the Python package of the same project holds its licences
        if part.name in ("LICENSE", "ThirdPartyNotices.txt"):
            shutil.copy(part.locate(), folder / f"{Path(part.name).stem}.txt")
    (folder / PACKAGE).touch()


class Embed(torch.nn.Module):
    "Photographs to rows of patch embeddings."

    def __init__(self, model):
        super().__init__()
        self.input = NetworkInput(model.geometry_, (SIDE, SIDE))
        self.extractor, self.patches = model.embedder_.extractor, model.embedder_.patches

    def forward(self, images):
        return to_rows(self.patches(self.extractor(self.input(images))))


def write_embedder(model, file):
    "Write the network of a model as an ONNX file: photographs `(B, 256, 256, 3)` uint8 in, rows out."
    program = graph_program(Embed(model), (SIDE, SIDE))
    names = {"input_names": ["images"], "output_names": ["rows"]}
    onnx.save(torch.onnx.export(program, **names, opset_version=18, dynamo=True, verbose=False).model_proto, file)


def fit(folder):
    "Fit and calibrate the model of the page on a blister pack that is made in a folder."
    part = MVTecAD(make_demo(folder, ("blister",)), "blister", Geometry((SIDE, SIDE)))
    model = PatchCore("loupe", coreset=0.01, device="cpu", progress=False).fit(part.train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 30 images are few; the page says so
        return model.calibrate()


def write_models(folder):
    "Write the models, what the page has to know of them, and the photographs to click; return the model."
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        model = fit(place)
        tested = Path(place) / "blister/test"
        shown = {label: shutil.copy(tested / f"{name}.png", folder / f"{label}.png") for label, name in SHOWN.items()}
        export_onnx(model, folder / "model.onnx", check=list(shown.values()))
    write_embedder(model, folder / "embed.onnx")
    grid, sigma = model.bank_.grid[0], model.scoring.sigma
    up = anomaly_maps(torch.eye(grid)[:, :, None], (SIDE, 1), sigma)[:, :, 0].T  # (SIDE, grid)
    up.contiguous().numpy().astype("<f4").tofile(folder / "up.bin")
    limits = {"threshold": model.calibration_.threshold, "pixel_threshold": model.calibration_.pixel_threshold}
    facts = {"side": SIDE, "down_first": goes_down_first(), **limits, "limit": str(model.calibration_)}
    (folder / "facts.json").write_text(json.dumps(facts | {"photographs": list(SHOWN)}), encoding="utf-8")
    return model


def write_page(folder):
    "Lay out the page without Quarto, beside the files that it loads."
    from nbconvert.filters.markdown import markdown2html

    text = (ROOT / "nbs/try.qmd").read_text(encoding="utf-8")
    head, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", text, re.S).groups()
    title = re.search(r"^title: (.+)$", head, re.M).group(1)
    body = re.sub(r"\[([^\]]+)\]\([^)]*\.ipynb\)", r"\1", body)  # the other pages are not there
    blocks = re.split(r"^```\{=html\}\n(.*?)^```$", body, flags=re.M | re.S)  # Markdown and HTML by turns
    parts = [block if i % 2 else markdown2html(block) for i, block in enumerate(blocks)]
    parts = [re.sub(r'<a class="anchor-link".*?</a>', "", part) for part in parts]
    style = ":root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif } body { margin: 0 auto; "
    style += "padding: 1rem; max-width: 60rem } a { color: LinkText } table { border-spacing: 1rem 0 }"
    top = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    top += f'<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style><h1>{title}</h1>'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(top + "\n".join(parts), encoding="utf-8")
    (folder / "try").mkdir(exist_ok=True)
    for script in (ROOT / "nbs/try").glob("*.js"):
        shutil.copy(script, folder / "try")


if __name__ == "__main__":
    try:
        fetch_runtime(MADE / "ort")
    except OSError as error:
        sys.exit(f"the page needs {PACKAGE} from npm: install Node.js (https://nodejs.org), then try again\n{error}")
    write_models(MADE)
    for place in map(Path, sys.argv[1:]):
        write_page(place)
        shutil.copytree(MADE, place / "try/made", dirs_exist_ok=True)
