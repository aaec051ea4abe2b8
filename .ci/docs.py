"""The docs site without Quarto: what is on it, its gallery, and checks of everything that can be checked before Quarto runs.

`python .ci/docs.py` writes the gallery (nbs/gallery.qmd and nbs/gallery/); `make docs` does so before it renders the site.
"""

import base64
import configparser
import contextlib
import io
import json
import os
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from unittest.mock import patch

import yaml

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"
GALLERY = "gallery.qmd"
TEXTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
OPTIONS = {
    "echo",
    "output",
    "eval",
    "include",
    "warning",
    "label",
    "code-fold",
    "code-summary",
    "fig-alt",
    "fig-cap",
}  # of Quarto, for a cell


def config():
    "_quarto.yml"
    return yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))


def sidebar():
    "Pages of the sidebar in order, as paths below nbs/; patterns are expanded as Quarto does, sorted."
    pages = []

    def walk(contents):
        for entry in [contents] if isinstance(contents, str) else contents:
            if isinstance(entry, dict):
                walk(entry["contents"])
            elif "*" in entry:
                pages.extend(sorted(str(path.relative_to(NBS)) for path in NBS.glob(entry)))
            else:
                pages.append(entry)

    walk(config()["website"]["sidebar"]["contents"])
    return pages


def notebooks():
    "All notebooks of the site, as paths below nbs/."
    return sorted(
        str(path.relative_to(NBS))
        for path in NBS.rglob("*.ipynb")
        if not any(part.startswith((".", "_")) for part in path.relative_to(NBS).parts)
    )


def read(page):
    "The cells of a notebook: list of dicts with `cell_type`, `source` (one string) and `outputs`."
    cells = json.loads((NBS / page).read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def options(source):
    "The options that Quarto reads at the top of a cell, as a dict; nbdev's directives, which have no colon, are not among them."
    lines = [line[2:] for line in re.match(r"(#\|.*\n?)*", source).group().splitlines()]
    return yaml.safe_load("\n".join(line for line in lines if ":" in line)) or {}


def figures(page):
    "The pictures that a page shows: list of (heading above it, alternative text, type, bytes)."
    heading, found = "", []
    for cell in read(page):
        if cell["cell_type"] == "markdown":
            heading = (re.findall(r"^#+ +(.+)$", cell["source"], re.M) or [heading])[-1]
            continue
        with contextlib.suppress(yaml.YAMLError):
            chosen = {}
            chosen = options(cell["source"])  # `process` names what cannot be read
        if (
            re.search(r"^#\| *hide *$", cell["source"], re.M)
            or chosen.get("output") is False
            or chosen.get("include") is False
        ):
            continue
        for output in cell["outputs"]:
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    found.append(
                        (
                            heading,
                            str(chosen.get("fig-alt") or chosen.get("fig-cap") or ""),
                            kind,
                            base64.b64decode("".join(output["data"][kind])),
                        )
                    )
    return found


def title(page):
    "First heading of a notebook."
    return re.search(r"^# +(.+)$", read(page)[0]["source"], re.M).group(1)


def write_gallery():
    "All pictures of the site on one page, each with its text and a link to where it is explained. The bytes come from the notebooks' outputs."
    shutil.rmtree(NBS / "gallery", ignore_errors=True)
    (NBS / "gallery").mkdir()
    parts = [
        "---\ntitle: Gallery\ndescription: Every picture of these pages, with a link to the page that makes it.\n---"
    ]
    for page in (page for page in sidebar() if page in notebooks()):
        shown = figures(page)
        if shown:
            parts.append(f"## [{title(page)}]({page})")
        for number, (heading, text, kind, data) in enumerate(shown):
            name = f"gallery/{page.removesuffix('.ipynb').replace('/', '_')}_{number}.{kind.partition('/')[2]}"
            (NBS / name).write_bytes(data)
            parts.append(f"![{text}]({name})\n\nFrom [{heading}]({page}#{anchor(heading)}).")
    (NBS / GALLERY).write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def anchor(heading, github=False):
    "The name that Pandoc, or GitHub, gives a heading so that links can point at it."
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading).strip().lower()
    text = re.sub(r"[^\w\s.-]" if not github else r"[^\w\s-]", "", text)
    text = re.sub(r"\s", "-", text) if github else re.sub(r"\s+", "-", text)
    return text if github else re.sub(r"^[^a-z]+", "", text) or "section"


def prose(path):
    "Markdown of a notebook or a text file, code taken out."
    text = (
        "\n\n".join(cell["source"] for cell in read(path.relative_to(NBS)) if cell["cell_type"] == "markdown")
        if path.suffix == ".ipynb"
        else path.read_text(encoding="utf-8")
    )
    return re.sub(r"^(```|~~~).*?^\1|`[^`\n]*`", "``", text, flags=re.M | re.S)


def broken_links(path):
    "Links of a page or text that lead nowhere: a file that is not there, an anchor without a heading, a picture without alternative text."
    wrong = [
        f"{path.name}: {found} cannot be checked, write [text](target)"
        for found in re.findall(r"<(?:a|img)\b[^>]*>|^ {0,3}\[[^\]^][^\]]*\]:.*", prose(path), re.M)
    ]
    own = config()["website"]["repo-url"] + "/blob/main/"
    for picture, text, target in re.findall(
        r"(!?)\[((?:[^\[\]]|!?\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^)\s]*)[^)]*\)", prose(path)
    ):
        if picture and not text.strip():
            wrong.append(f"{path.name}: picture {target} has no alternative text")
        if "](" in text:
            wrong += [
                f"{path.name}: picture {inner} has no alternative text" for inner in re.findall(r"!\[\]\(([^)]*)", text)
            ]
        if not target:
            wrong.append(f"{path.name}: the link of {text!r} has no target")
        if target.startswith(own) and not (ROOT / target.removeprefix(own).partition("#")[0]).exists():
            wrong.append(f"{path.name}: {target} is not there")
        if re.match(r"[a-z]+:", target):
            continue
        file, _, place = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists():
            wrong.append(f"{path.name}: {target} is not there")
        elif place and place not in {
            anchor(heading, github=path.suffix == ".md")
            for heading in re.findall(r"^#+ +(.+?)(?: *\{.*\})?$", prose(there), re.M)
        }:
            wrong.append(f"{path.name}: {target} has no such heading")
    return wrong


def process(page):
    "What nbdev makes of a notebook for the site; returns a sentence for everything that would go wrong there."
    from execnb.nbio import read_nb
    from nbdev.processors import FilterDefaults

    before, wrong = Path.cwd(), []
    os.chdir((NBS / page).parent)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), patch.dict(os.environ):
            for name in ("PATCHCORE_NB_DATA", "PATCHCORE_NB_WEIGHTS"):
                os.environ.pop(name, None)  # where the site is made there are none
            warnings.simplefilter("ignore")
            notebook = read_nb(Path(page).name)
            FilterDefaults()(notebook)
            cells = notebook.cells
    except Exception as error:  # whatever a cell raises
        return [f"{page}: {str(error)[:300]} ({error.__cause__!r})"]
    finally:
        os.chdir(before)
    for cell in cells:
        if cell.cell_type != "code":
            continue
        top = re.match(r"(#\|.*\n?)*", cell.source).group()
        if left := [
            line
            for line in re.findall(r"^#\|.*", cell.source, re.M)
            if line not in top or not re.match(r"#\| *[\w-]+: ", line)
        ]:
            wrong.append(f"{page}: {left} is left")
        try:
            unknown = set(options(top)) - OPTIONS
        except (yaml.YAMLError, TypeError) as error:
            unknown = {str(error)}
        if unknown:
            wrong.append(f"{page}: {top.strip()}: {unknown}")
        if cell.source.rstrip().split("\n")[-1].startswith("show_doc(") and not cell.outputs:
            wrong.append(f"{page}: {cell.source} shows nothing")
    fences = re.findall(
        r"^:{3,} *(.*?) *$", "\n".join(cell.source for cell in cells if cell.cell_type == "markdown"), re.M
    )
    if sum(1 if fence else -1 for fence in fences):
        wrong.append(f"{page}: ::: opened and closed unequally often")
    return wrong


def settings_differ():
    "Places where _quarto.yml says another thing than settings.ini, or is not as the site wants it."
    parser = configparser.ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    ours, site = parser["DEFAULT"], config()
    html, website = site["format"]["html"], site["website"]
    wanted = {
        "title": (website["title"], ours["title"]),
        "site-url": (website["site-url"], ours["doc_host"] + ours["doc_baseurl"]),
        "repo-url": (website["repo-url"], ours["git_url"]),
        "output-dir": (site["project"]["output-dir"], ours["doc_path"]),
        "html-math-method": (html.get("html-math-method"), "mathml"),
        "theme": (set(html["theme"]), {"light", "dark"}),
    }
    return [f"{key}: {has!r}, not {should!r}" for key, (has, should) in wanted.items() if has != should]


def badges_differ():
    "What the badges of the README say and settings.ini does not, or the workflow that they name and that is not there."
    parser = configparser.ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    ours, readme = parser["DEFAULT"], (ROOT / "README.md").read_text(encoding="utf-8")
    [python], [licence] = (
        re.findall(r"badge/Python-%E2%89%A5%20([\d.]+)-", readme),
        re.findall(r"badge/licence-(.+?)-blue", readme),
    )
    wrong = [f"Python {python}, not {ours['min_python']}"] * (python != ours["min_python"]) + [
        f"licence {licence}, not {ours['license']}"
    ] * (licence.lower().replace("--", "").replace(".0", "") != ours["license"])
    return wrong + [
        f"{url} is not of this repository or not there"
        for url, file in re.findall(r"\((\S+?)/actions/workflows/([\w.]+)/badge.svg\)", readme)
        if url != ours["git_url"] or not (ROOT / ".github/workflows" / file).exists()
    ]


def workflow_lacks():
    "What GitHub Pages needs and .github/workflows/docs.yml does not have."
    flow = yaml.safe_load((ROOT / ".github/workflows/docs.yml").read_text(encoding="utf-8"))
    (job,) = flow["jobs"].values()
    steps = " ".join(str(step.get("uses", step.get("run"))) for step in job["steps"])
    lacks = [f"permission {name}: write" for name in ("pages", "id-token") if flow["permissions"].get(name) != "write"]
    lacks += [
        step
        for step in (
            "actions/checkout@",
            "quarto-dev/quarto-actions/setup@",
            "make docs",
            "actions/upload-pages-artifact@",
            "actions/deploy-pages@",
        )
        if step not in steps
    ]
    return lacks + [f"path {config()['project']['output-dir']}"] * (
        config()["project"]["output-dir"] not in [step.get("with", {}).get("path") for step in job["steps"]]
    )


def checks():
    "Every check as (sentence, passed, what went wrong)."
    pages, shown = sidebar(), notebooks()
    wrong = [f"{page}: {pages.count(page)} times in the sidebar" for page in shown if pages.count(page) != 1]
    yield "every notebook is in the sidebar once", not wrong, "\n".join(wrong)
    wrong = [page for page in pages if page not in shown and page != GALLERY and not (NBS / page).exists()]
    yield "every entry of the sidebar exists", not wrong, f"{wrong}"
    names = [re.sub(r"(^|/)\d+[a-z]?_", r"\1", page) for page in shown]
    yield (
        "no two pages share a name",
        len(set(names)) == len(names),
        f"{sorted(name for name in names if names.count(name) > 1)}",
    )
    wrong = [
        line
        for path in [*(NBS / page for page in shown), *NBS.rglob("*.md"), *(ROOT / text for text in TEXTS)]
        for line in broken_links(path)
    ]
    yield (
        "links between pages, texts and headings resolve; pictures have alternative texts",
        not wrong,
        "\n".join(wrong),
    )
    wrong = [
        f"{page}: figure below {heading!r}" for page in shown for heading, text, *_ in figures(page) if not text.strip()
    ]
    yield "every figure has an alternative text (#| fig-alt:)", not wrong, "\n".join(wrong)
    wrong = [page for page in shown if page != "index.ipynb" and f"]({page})" not in prose(NBS / "index.ipynb")]
    yield "the index names every notebook", not wrong, f"{wrong}"
    wrong = [page for page in shown if re.sub(r"^(?:# |> |- .*:).*$", "", read(page)[0]["source"], flags=re.M).strip()]
    yield (
        "a title cell holds title and subtitle alone (nbdev drops the rest of it from the site)",
        not wrong,
        "\n".join(wrong),
    )
    yield "_quarto.yml agrees with settings.ini", not settings_differ(), "\n".join(settings_differ())
    yield "badges agree with settings.ini and name a workflow", not badges_differ(), "\n".join(badges_differ())
    yield "the workflow can publish the site", not workflow_lacks(), f"{workflow_lacks()}"
    wrong = [line for page in shown for line in process(page)]
    yield "nbdev prepares every notebook for Quarto without error or rest", not wrong, "\n".join(wrong)
    yield gallery_check()


def gallery_check():
    "The gallery, made in a copy: it shows every figure, and its links resolve."
    global NBS
    kept = NBS
    with tempfile.TemporaryDirectory() as folder:
        NBS = Path(folder) / "nbs"
        shutil.copytree(kept, NBS, symlinks=True, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "gallery"))
        try:
            write_gallery()
            wrong, count = broken_links(NBS / GALLERY), len(list((NBS / "gallery").iterdir()))
        finally:
            NBS = kept
    total = sum(len(figures(page)) for page in notebooks())
    return (
        f"the gallery shows all {total} figures",
        not wrong and count == total,
        "\n".join([f"{count} of {total}", *wrong]),
    )


if __name__ == "__main__":
    write_gallery()
