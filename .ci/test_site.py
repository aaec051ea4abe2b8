"""The docs site, as far as it can be judged without Quarto."""

import ast
import contextlib
import importlib
import inspect
import io
import os
import re
import warnings
from configparser import ConfigParser
from pathlib import Path
from types import FunctionType

import pytest
import yaml
from conftest import ROOT, copy_notebooks
from pages import (
    TUTORIALS,
    anchor,
    config,
    entries,
    figures,
    options,
    read,
    title,
    write_api,
    write_changelog,
    write_gallery,
)
from test_modules import MODULES

NBS = ROOT / "nbs"
PAGES = sorted(
    str(path.relative_to(NBS))
    for path in NBS.rglob("*.ipynb")
    if not any(part.startswith((".", "_")) for part in path.relative_to(NBS).parts)
)
TEXTS = [*(NBS / page for page in PAGES), *NBS.rglob("*.md"), *ROOT.glob("*.md")]
OPTIONS = {"echo", "output", "eval", "include", "warning", "label", "code-fold", "code-summary", "fig-alt", "fig-cap"}
FENCE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.M | re.S)
PICTURE = re.compile(r"""!\[([^\]]*)\]\(([^)\s]*)\)(?:\{fig-alt="([^"]+)"\})?""")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|!?\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^)\s]*)[^)]*\)")


def settings():
    "settings.ini"
    parser = ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return parser["DEFAULT"]


def test_sidebars_list_every_page_once():
    "All but the landing page, which has none; a chapter of the method stands there with its number."
    listed = entries(NBS)
    made = {"try.qmd", "gallery.qmd", "benchmarks/results.md"}
    assert sorted({page for page, _ in listed} - made) == [page for page in PAGES if page != "index.ipynb"]
    assert len({page for page, _ in listed}) == len(listed)
    for page, text in listed:
        number = re.match(r"0(\d[a-z]?)_", page)
        assert text == (f"{number[1]} {title(NBS / page)[0]}" if number else None)


def test_navbar_leads_to_pages():
    made = {"api.qmd", "changelog.qmd"}
    assert not [
        entry["href"]
        for entry in config()["website"]["navbar"]["left"]
        if entry["href"] not in made and not (NBS / entry["href"]).exists()
    ]


def test_links_to_notebooks_show_titles():
    "A reader of the site knows pages by their titles, not by the names of files."
    path = re.compile(r"\[`?((?:\w+/)*\d\d[a-z]?_\w+|\w+/\w+)`?\]\([\w./]+\.ipynb")
    assert not [(page, found) for page in PAGES for found in path.findall(prose(NBS / page))]
    results = (NBS / "benchmarks/results.md").read_text(encoding="utf-8")
    named = re.findall(r"^## \[(.+)\]\((.+)\)$", results, re.M)
    assert named and not [page for text, page in named if text != title(NBS / "benchmarks" / page)[0]]


def test_names_of_pages_differ():
    "nbdev drops the number before a page's name."
    names = [re.sub(r"(^|/)\d+[a-z]?_", r"\1", page) for page in PAGES]
    assert len(set(names)) == len(names)


def test_one_page_names_every_notebook():
    table = prose(NBS / "notebooks.ipynb")
    assert not [page for page in PAGES if page not in ("index.ipynb", "notebooks.ipynb") and f"]({page})" not in table]


def prose(path):
    "Markdown of a notebook or a text file, code taken out."
    if path.suffix != ".ipynb":
        return FENCE.sub("``", path.read_text(encoding="utf-8"))
    return FENCE.sub("``", "\n\n".join(cell["source"] for cell in read(path) if cell["cell_type"] == "markdown"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(path):
    "Links lead to files and headings that exist, and pictures have alternative texts."
    text, wrong = prose(path), []
    assert not re.findall(r"<(?:a|img)\b[^>]*>|^ {0,3}\[[^\]^][^\]]*\]:.*", text, re.M), "write [text](target)"
    for words, target, alternative in PICTURE.findall(text):
        wrong += [f"picture {target} has no alternative text"] * (not words.strip() and not alternative)
        alone = re.search(rf"^!\[.+\]\({re.escape(target)}\)$", text, re.M) and path.suffix != ".md"
        wrong += [f'write ![]({target}){{fig-alt="…"}}: Quarto makes a caption of {words!r}'] * bool(alone)
    for _, words, target in LINK.findall(text):
        if target.startswith(own := config()["website"]["repo-url"] + "/blob/main/"):
            wrong += [target] * (not (ROOT / target.removeprefix(own).partition("#")[0]).exists())
        if re.match(r"[a-z]+:", target):
            continue
        file, _, place = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not target or not there.exists():
            wrong.append(f"{words!r} leads to {target}, which does not exist")
        elif place:
            # The title of a page is no place on it: Quarto takes it out of the text.
            least = "##" if there.suffix == ".ipynb" else "#"
            headings = re.findall(rf"^{least}#* +(.+?)(?: *\{{.*\}})?$", prose(there), re.M)
            names = {anchor(heading, github=path.suffix == ".md") for heading in headings}
            wrong += [f"{target} has no such heading"] * (place not in names)
    assert not wrong


@pytest.mark.parametrize("page", PAGES)
def test_page(page):
    "Title cell, alternative texts of figures, and equations that MathML can carry."
    cells = read(NBS / page)
    # nbdev drops everything else in the title cell from the site.
    assert not re.sub(r"^(?:# |> |- .*:).*$", "", cells[0]["source"], flags=re.M).strip()
    assert all(text.strip() for _, text, *_ in figures(NBS / page)), "a figure without #| fig-alt"
    for cell in (cell["source"] for cell in cells if cell["cell_type"] == "markdown"):
        for equation in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", FENCE.sub("", cell), re.S):
            assert not re.search(r"\\[Bb]igg?[lr]\b|\\\\(?!\s)", "".join(equation)), equation


MACHINE = re.compile(  # a folder of the machine that made an output, or a name that tempfile gives
    r"(?<![\w.…/])/(?:tmp|var|home|root|work|opt|usr|mnt|private|Users)/\w|\b[A-Z]:\\|\bfile://|site-packages"
    r"|\btmp[a-z0-9_]{8}\b|\bipykernel_\d"
)
BAR = re.compile(r"\d%\||\b(?:it/s|s/it)\b|[▏▎▍▌▋▊▉█]{2}|\bFloatProgress\(")


def unfit(output):
    "What must not stand in a stored output: errors, messages, progress bars, paths of one machine."
    kinds = ("text/plain", "text/html", "text/markdown", "image/svg+xml")
    texts = [output.get("text", ""), *(output.get("data", {}).get(kind, "") for kind in kinds)]
    text = re.sub(r"base64,[\w+/=]*", "", "\n".join("".join(text) for text in texts))
    yield from {"error"} & {output["output_type"]}
    yield from {"stderr"} & {output.get("name")}
    yield from (found.group() for pattern in (BAR, MACHINE) if (found := pattern.search(text)))


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "error", "ename": "ValueError"},
        {"output_type": "stream", "name": "stderr", "text": ["left out: 1 .txt\n"]},
        {"output_type": "stream", "name": "stdout", "text": ["fit:  67%|######   | 2/3 [00:01<00:00,  1.9it/s]"]},
        {"output_type": "display_data", "data": {"text/plain": ["HBox(children=(FloatProgress(value=0.0), ))"]}},
        {"output_type": "execute_result", "data": {"text/plain": ["PosixPath('/tmp/tmpab12cd3_/model')"]}},
        {"output_type": "execute_result", "data": {"text/html": ["<td>", "/home/someone/parts/000.png</td>"]}},
        {"output_type": "stream", "name": "stdout", "text": ["wrote tmpab12cd3_/model\n"]},
        {"output_type": "stream", "name": "stdout", "text": ["C:\\Users\\someone\\parts"]},
    ],
)
def test_unfit_output(output):
    assert list(unfit(output))


def test_stored_outputs():
    "Outputs hold results alone. `make export` removes messages and bars; a path needs a cell that prints less of it."
    for path in (NBS / page for page in PAGES):
        for cell in read(path):
            wrong = [word for output in cell.get("outputs", []) for word in unfit(output)]
            assert not wrong, f"{path.relative_to(ROOT)}, cell {cell['id']}: {wrong}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("benchmarks/")])
def test_benchmarks_hold_figures(page):
    "A page of measurements is listed once it has measured."
    assert any(re.search(r"\d", str(cell.get("outputs", ""))) for cell in read(NBS / page))


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("checks/")])
def test_shown_cells_use_shown_names(page):
    "A visible cell uses no private name whose definition the page hides."
    used, known = set(), set()
    for source in (cell["source"] for cell in read(NBS / page) if cell["cell_type"] == "code"):
        names = list(ast.walk(ast.parse(re.sub(r"^\s*[%!].*", "", source, flags=re.M))))
        known |= {name.asname or name.name for n in names if isinstance(n, ast.ImportFrom) for name in n.names}
        kind = re.search(r"^#\| *(export|exporti|hide|default_exp)\s*$", source, re.M)
        if kind is None:
            used |= {n.id for n in names if isinstance(n, ast.Name) and re.match("_[a-zA-Z]", n.id)}
        if kind is None or kind[1] == "exporti":  # which the site shows folded
            known |= {n.name for n in names if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
            known |= {n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert not used - known


def test_quarto_agrees_with_settings():
    ours, site = settings(), config()
    website, html = site["website"], site["format"]["html"]
    assert website["title"] == f"{ours['title']} {ours['version']}"
    assert website["site-url"] == ours["doc_host"] + ours["doc_baseurl"]
    assert website["repo-url"] == ours["git_url"]
    assert website["image"].startswith("/") and (NBS / website["image"][1:]).exists()
    assert (NBS / website["favicon"]).exists()
    assert site["project"]["output-dir"] == ours["doc_path"]
    assert html["html-math-method"] == "mathml" and set(html["theme"]) == {"light", "dark"}


def test_pages_ask_no_other_host():
    "No picture, style or script comes from elsewhere; badges are for the README only."
    assert "$web-font-path: false;" in (NBS / "site.scss").read_text(encoding="utf-8")  # or themes ask for fonts
    asked = re.compile(r"""!\[[^\]]*\]\((https?:[^)]+)|(?:src=|url\(|import )["']?(https?:[^"')\s]+)""")
    texts = {file: (NBS / file).read_text(encoding="utf-8") for file in ("site.scss", "site.html")}
    for page in PAGES:
        cells = read(NBS / page)
        written = "\n\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
        written = re.sub(
            r"^::: \{\.content-hidden when-format=\"html\"\}.*?^:::$", "", FENCE.sub("", written), flags=re.M | re.S
        )
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        texts[page] = "\n".join([written, *("".join(data.get("text/html", "")) for data in outputs)])
        assert not [kind for data in outputs for kind in data if "widget" in kind], "a widget asks for its library"
    assert not [(page, found) for page, text in texts.items() for found in asked.findall(text)]


def test_badges_agree_with_settings():
    ours, readme = settings(), (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"badge/Python-%E2%89%A5%20([\d.]+)-", readme) == [ours["min_python"]]
    [licence] = re.findall(r"badge/licence-(.+?)-blue", readme)
    assert licence.lower().replace("--", "").replace(".0", "") == ours["license"]
    for url, file in re.findall(r"\((\S+?)/actions/workflows/([\w.]+)/badge.svg\)", readme):
        assert url == ours["git_url"] and (ROOT / ".github/workflows" / file).exists()


def test_workflow_publishes_the_site():
    "Made for pull requests as well, with one version of Quarto; published from main, by a job that is not cancelled."
    flow = yaml.safe_load((ROOT / ".github/workflows/docs.yml").read_text(encoding="utf-8"))
    assert "pull_request" in flow[True]  # YAML takes the key `on` for a truth value
    job = {"steps": [step for job in flow["jobs"].values() for step in job["steps"]]}
    steps = " ".join(str(step.get("uses", step.get("run"))) for step in job["steps"])
    for step in (
        "actions/checkout@",
        "quarto-actions/setup@",
        "make docs",
        "actions/upload-pages-artifact@",
        "actions/deploy-pages@",
    ):
        assert step in steps
    [quarto] = [step["with"]["version"] for step in job["steps"] if "quarto-actions" in step.get("uses", "")]
    assert re.fullmatch(r"\d+\.\d+\.\d+", quarto)
    publish = flow["jobs"]["publish"]
    assert publish["needs"] == "build" and publish["if"] == "github.ref == 'refs/heads/main'"
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert publish["concurrency"]["cancel-in-progress"] is False
    assert settings()["doc_path"] in [step.get("with", {}).get("path") for step in job["steps"]]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "The notebooks with the pages that are made from them."
    nbs = tmp_path_factory.mktemp("site") / "nbs"
    copy_notebooks(nbs)
    write_gallery(nbs)
    write_api(nbs)
    write_changelog(nbs)
    return nbs


@pytest.mark.parametrize("page", ["gallery", "api", "changelog"])
def test_made_page(page, made):
    "Links lead somewhere, pictures have alternative texts, and the page has a title and a description."
    if page != "api":  # whose links lead to what nbdev makes; see test_processed_pages
        test_links(made / f"{page}.qmd")
    head = yaml.safe_load((made / f"{page}.qmd").read_text(encoding="utf-8").split("---")[1])
    assert head["title"] and head["description"]


def test_gallery_shows_the_tutorials():
    pictured = [page for page in PAGES if page.startswith("tutorials/") and list(figures(NBS / page))]
    assert set(TUTORIALS) == set(pictured)


def test_api_names_everything(made):
    "Every public function and class is in the index."
    text = (made / "api.qmd").read_text(encoding="utf-8")
    names = re.findall(r"^\| \[`(\w+)`\]", text, re.M)
    assert not [places for places in public() if "." not in min(places) and not places <= set(names)]


def processed():
    "What nbdev makes of every notebook for the site: page -> cells."
    from execnb.nbio import read_nb
    from nbdev.processors import FilterDefaults

    here, pages = Path.cwd(), {}
    kept = {name: os.environ.pop(name, None) for name in ("PATCHCORE_NB_DATA", "PATCHCORE_NB_WEIGHTS")}
    try:
        for page in PAGES:
            os.chdir((NBS / page).parent)
            notebook = read_nb(Path(page).name)
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                warnings.filterwarnings("error", message="Found cells containing imports and other code")
                FilterDefaults()(notebook)  # where the site is made there are neither data nor weights
            pages[page] = notebook.cells
    finally:
        os.chdir(here)
        os.environ.update({name: value for name, value in kept.items() if value is not None})
    return pages


def unready(pages):
    "What a page must not hold: directives of nbdev, unknown options, open :::, nested links, unfit outputs."
    wrong = []
    for page, cells in pages.items():
        kinds = {kind for cell in cells for output in cell.get("outputs", []) for kind in output.get("data", {})}
        wrong += [(page, word) for cell in cells for output in cell.get("outputs", []) for word in unfit(output)]
        # For these Quarto loads scripts from another host.
        wrong += [(page, kind) for kind in kinds if kind == "text/html" or re.search("javascript|widget", kind)]
        for cell in (cell for cell in cells if cell.cell_type == "code"):
            top = re.match(r"(#\|.*\n?)*", cell.source).group()
            left = [line for line in re.findall(r"^#\|.*", cell.source, re.M) if line not in top or ": " not in line]
            wrong += [(page, line) for line in left]
            wrong += [(page, option) for option in set(options(top)) - OPTIONS]
            if cell.source.rstrip().split("\n")[-1].startswith("show_doc(") and not cell.outputs:
                wrong.append((page, cell.source))
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        # nbdev makes a link of every public name in backticks, also inside a link.
        wrong += [(page, "a link in a link", found) for found in re.findall(r"\[\[`.*?\]\(", text)]
        fences = re.findall(r"^:{3,} *(.*?) *$", text, re.M)
        wrong += [(page, "::: is not closed")] * (sum(1 if fence else -1 for fence in fences) != 0)
    return wrong


def shown(pages):
    "Names that have a place on the site: the headings that show_doc writes."
    for cells in pages.values():
        for output in (output for cell in cells for output in cell.get("outputs", [])):
            yield from re.findall(r"^#+ (\S+)$", "".join(output.get("data", {}).get("text/markdown", "")), re.M)


def public():
    "Public functions, classes, methods and properties: the names under which one may stand on the site."
    for module in (importlib.import_module(f"patchcore_nb.{module}") for module in MODULES):
        for name, value in ((name, getattr(module, name)) for name in module.__all__):
            if inspect.isfunction(value) or inspect.isclass(value):
                yield {name}
            for owner in value.__mro__ if inspect.isclass(value) else ():
                for attribute, found in vars(owner).items():
                    ours = owner.__module__.startswith("patchcore_nb") and not attribute.startswith("_")
                    if ours and isinstance(found, FunctionType | property | classmethod | staticmethod):
                        yield {f"{c.__name__}.{attribute}" for c in value.__mro__ if hasattr(c, attribute)}


def test_processed_pages(made):
    "nbdev prepares every page for Quarto; every public name has a place, and the links of the index lead to places."
    pages = processed()
    assert not unready(pages)
    there = set(shown(pages))
    assert not [places for places in public() if not there & places]
    anchors = {page: {anchor(name) for name in shown({page: cells})} for page, cells in pages.items()}
    links = re.findall(r"\]\(([^)#]+)#([^)]+)\)", (made / "api.qmd").read_text(encoding="utf-8"))
    assert len(links) > 200 and not [(page, place) for page, place in links if place not in anchors[page]]
