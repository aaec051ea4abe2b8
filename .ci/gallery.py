"""The gallery of the docs site: every picture of the pages, with a link to the page that makes it.

`python .ci/gallery.py` writes nbs/gallery.qmd and nbs/gallery/; `make docs` does so before it renders the site.
"""

import base64
import json
import re
import shutil
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
HEAD = "---\ntitle: Gallery\ndescription: Every picture of these pages, with a link to the page that makes it.\n---"


def config():
    "_quarto.yml"
    return yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))


def sidebar(nbs):
    "Pages of the sidebar in order, as paths below nbs/; patterns are expanded and sorted, as Quarto does."
    pages = []

    def walk(contents):
        for entry in [contents] if isinstance(contents, str) else contents:
            if isinstance(entry, dict):
                walk(entry["contents"])
            elif "*" in entry:
                pages.extend(sorted(str(path.relative_to(nbs)) for path in nbs.glob(entry)))
            else:
                pages.append(entry)

    walk(config()["website"]["sidebar"]["contents"])
    return pages


def read(path):
    "The cells of a notebook: dicts with `cell_type`, `source` (one string) and `outputs`."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def options(source):
    "Quarto's options at the top of a cell; nbdev's directives, which have no colon, are not among them."
    lines = [line[2:] for line in re.match(r"(#\|.*\n?)*", source).group().splitlines()]
    return yaml.safe_load("\n".join(line for line in lines if ":" in line)) or {}


def figures(path):
    "The pictures that a page shows: (heading above it, alternative text, file suffix, bytes)."
    heading = ""
    for cell in read(path):
        if cell["cell_type"] == "markdown":
            heading = (re.findall(r"^#+ +(.+)$", cell["source"], re.M) or [heading])[-1]
        elif not re.search(r"^#\| *hide *$", cell["source"], re.M):
            text = str(options(cell["source"]).get("fig-alt", ""))
            for data in (output.get("data", {}) for output in cell["outputs"]):
                for suffix in {"png", "jpeg"} & {kind.removeprefix("image/") for kind in data}:
                    yield heading, text, suffix, base64.b64decode("".join(data[f"image/{suffix}"]))


def anchor(heading, github=False):
    "The name that Pandoc, or GitHub, gives a heading so that links can point at it."
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading).strip().lower()
    text = re.sub(r"[^\w\s.-]" if not github else r"[^\w\s-]", "", text)
    text = re.sub(r"\s", "-", text) if github else re.sub(r"\s+", "-", text)
    return text if github else re.sub(r"^[^a-z]+", "", text) or "section"


def write_gallery(nbs):
    "Write the page and its pictures, whose bytes come from the stored outputs of the notebooks."
    shutil.rmtree(nbs / "gallery", ignore_errors=True)
    (nbs / "gallery").mkdir()
    parts = [HEAD]
    for page in (page for page in sidebar(nbs) if page.endswith(".ipynb")):
        shown = list(figures(nbs / page))
        if shown:
            title = re.search(r"^# +(.+)$", read(nbs / page)[0]["source"], re.M).group(1)
            parts.append(f"## [{title}]({page})")
        for number, (heading, text, suffix, data) in enumerate(shown):
            name = f"gallery/{page.removesuffix('.ipynb').replace('/', '_')}_{number}.{suffix}"
            (nbs / name).write_bytes(data)
            parts.append(f"![{text}]({name})\n\nFrom [{heading}]({page}#{anchor(heading)}).")
    (nbs / "gallery.qmd").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_gallery(ROOT / "nbs")
