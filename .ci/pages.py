"""Pages of the docs site that are made from other files: the gallery, the index of the API and the changelog.

`python .ci/pages.py` writes nbs/gallery.qmd with nbs/gallery/, nbs/api.qmd and nbs/changelog.qmd; `make docs` does so
before it renders the site.
"""

import base64
import importlib
import inspect
import io
import json
import re
import shutil
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
# What the gallery shows: a page, and which of its pictures, counted from 0.
TUTORIALS = {
    "tutorials/quickstart.ipynb": 2,
    "tutorials/how_it_works.ipynb": 3,
    "tutorials/your_own_images.ipynb": 3,
    "tutorials/heatmaps_and_thresholds.ipynb": 0,
    "tutorials/reading_results.ipynb": 3,
    "tutorials/explore.ipynb": 1,
    "tutorials/studio.ipynb": 0,
    "tutorials/few_shot.ipynb": 0,
    "tutorials/coreset_coverage.ipynb": 2,
    "tutorials/ensembles_and_backbones.ipynb": 0,
}
CHAPTERS = {
    "02_patches.ipynb": 0,
    "03_coreset.ipynb": 0,
    "04_scorer.ipynb": 2,
    "05_patchcore.ipynb": 0,
    "06_metrics.ipynb": 0,
    "line/00_roi.ipynb": 0,
    "line/05_tiles.ipynb": 1,
    "line/07_regions.ipynb": 0,
    "look/00_viz.ipynb": 0,
    "look/05_heatmaps.ipynb": 0,
    "box/03_demo.ipynb": 4,
    "benchmarks/judge_loupe.ipynb": 1,
}


def config():
    "_quarto.yml"
    return yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))


def entries(nbs):
    "Entries of the sidebars in order: (page as a path below nbs/, its text or None); patterns are expanded and sorted."
    found = []

    def walk(contents):
        for entry in contents:
            if isinstance(entry, dict) and "contents" in entry:
                walk(entry["contents"])
            elif isinstance(entry, dict):
                found.append((entry["href"], entry["text"]))
            elif "*" in entry:
                found.extend((str(path.relative_to(nbs)), None) for path in sorted(nbs.glob(entry)))
            else:
                found.append((entry, None))

    for sidebar in config()["website"]["sidebar"]:
        walk(sidebar["contents"])
    return found


def read(path):
    "The cells of a notebook: dicts with `cell_type`, `source` (one string) and `outputs`."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def title(path):
    "Title and description of a notebook."
    return re.match(r"# +(.+)\n+> *(.+)", read(path)[0]["source"]).groups()


def options(source):
    "Quarto's options at the top of a cell; nbdev's directives, which have no colon, are not among them."
    lines = [line[2:] for line in re.match(r"(#\|.*\n?)*", source).group().splitlines()]
    return yaml.safe_load("\n".join(line for line in lines if ":" in line)) or {}


def figures(path):
    "The pictures that a page shows: (heading above it, alternative text, bytes)."
    heading = ""
    for cell in read(path):
        if cell["cell_type"] == "markdown":
            heading = (re.findall(r"^##+ +(.+)$", cell["source"], re.M) or [heading])[-1]
        elif not re.search(r"^#\| *hide *$", cell["source"], re.M):
            text = str(options(cell["source"]).get("fig-alt", ""))
            for data in (output.get("data", {}) for output in cell["outputs"]):
                for kind in {"image/png", "image/jpeg"} & data.keys():
                    yield heading, text, base64.b64decode("".join(data[kind]))


def anchor(heading, github=False):
    "The name that Pandoc, or GitHub, gives a heading so that links can point at it."
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading).strip().lower()
    text = re.sub(r"[^\w\s.-]" if not github else r"[^\w\s-]", "", text)
    text = re.sub(r"\s", "-", text) if github else re.sub(r"\s+", "-", text)
    return text if github else re.sub(r"^[^a-z]+", "", text) or "section"


def write(path, title, description, parts, **more):
    "Write a page: its front matter, and its parts with empty lines between them. The repository has no such file."
    head = {"title": title, "description": description, "repo-actions": False, **more}
    head = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    path.write_text(f"---\n{head}---\n\n" + "\n\n".join(parts) + "\n", encoding="utf-8")


def write_gallery(nbs):
    "A grid of thumbnails; the pictures come from the stored outputs of the notebooks."
    from PIL import Image

    shutil.rmtree(nbs / "gallery", ignore_errors=True)
    (nbs / "gallery").mkdir()
    parts = []
    for name, pages in (("Tutorials", TUTORIALS), ("Chapters", CHAPTERS)):
        parts += [f"## {name}", "::: {.site-grid}"]
        for page, number in pages.items():
            heading, text, data = list(figures(nbs / page))[number]
            file = f"gallery/{page.removesuffix('.ipynb').replace('/', '_')}.jpg"
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            picture.thumbnail((640, 480))
            picture.save(nbs / file, quality=82)
            place = f"{page}#{anchor(heading)}" if heading else page
            # A picture beside text is no figure for Pandoc: it keeps its alternative text and gets no caption.
            parts.append(f'[![{text}]({file}){{loading="lazy"}} [{title(nbs / page)[0]}]{{.site-name}}]({place})')
        parts.append(":::")
    write(nbs / "gallery.qmd", "Gallery", "Pictures from the tutorials and chapters that make them.", parts, toc=False)


def sentence(documented):
    "The first sentence of a docstring, for a cell of a table."
    text = " ".join(inspect.getdoc(documented).partition("\n\n")[0].split())
    return re.match(r".+?(?<! al)[.!](?=\s|$)|.+", text).group().replace("|", "\\|")


def public(module):
    "Functions and classes that a module makes public: name -> object."
    found = {name: getattr(module, name) for name in module.__all__}
    return {name: value for name, value in found.items() if inspect.isfunction(value) or inspect.isclass(value)}


def write_api(nbs):
    "The index of the API: every public name with its first sentence, chapter by chapter, in the order of the sidebars."
    import patchcore_nb
    from patchcore_nb._modidx import d

    places, tables = {}, []
    for page in (page for page, _ in entries(nbs) if page.endswith(".ipynb")):
        directive = re.search(r"^#\| *default_exp +(\S+)", "\n".join(cell["source"] for cell in read(nbs / page)), re.M)
        if directive is None or not (names := public(importlib.import_module(f"patchcore_nb.{directive[1]}"))):
            continue
        index, rows = d["syms"][f"patchcore_nb.{directive[1]}"], ["| name | |", "|---|---|"]
        for name, value in names.items():
            full = f"patchcore_nb.{directive[1]}.{name}"
            methods = [key for key in index if re.fullmatch(rf"{re.escape(full)}\.[a-z]\w*", key)]
            links = [f"[{key.rpartition('.')[2]}]({page}#{index[key][0].partition('#')[2]})" for key in methods]
            places[name, directive[1]] = place = f"{page}#{index[full][0].partition('#')[2]}"
            text = sentence(value) + (f" Methods: {', '.join(links)}." if links else "")
            rows.append(f"| [`{name}`]({place}) | {text} |")
        tables += [f"## {title(nbs / page)[0]}", f"`patchcore_nb.{directive[1]}`: {title(nbs / page)[1]}"]
        tables.append("\n".join(rows))
    rows = ["| name | |", "|---|---|"]
    for name, module in patchcore_nb._PUBLIC.items():
        rows.append(f"| [`{name}`]({places[name, module]}) | {sentence(getattr(patchcore_nb, name))} |")
    parts = ["## patchcore_nb", "What `from patchcore_nb import …` offers; all else is in the modules below."]
    text = "Every public function and class with its first sentence, by chapter."
    write(nbs / "api.qmd", "API", text, [*parts, "\n".join(rows), *tables])


def write_changelog(nbs):
    "CHANGELOG.md as a page."
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n")[2].strip()
    text = re.sub(r"\]\(nbs/", "](", text)
    write(nbs / "changelog.qmd", "Changelog", "What each version brought.", [text])


if __name__ == "__main__":
    write_gallery(ROOT / "nbs")
    write_api(ROOT / "nbs")
    write_changelog(ROOT / "nbs")
