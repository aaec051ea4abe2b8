"""The check of the rendered site, tried on small made-up ones."""

import subprocess
import sys

import pytest
from conftest import ROOT
from links import dead_links

SITE = "https://parts.example/book"
REPO = "https://git.example/parts"
SOUND = """<!doctype html><link rel="stylesheet" href="site/a.css"><link rel="canonical" href="https://parts.example/book/">
<meta property="og:image" content="https://parts.example/book/p%20q.png">
<h1 id="start">Parts</h1><a href="#">up</a><a href="#top">up</a><a href="">self</a>
<a href="other.html#two%20words">other</a><a href="folder/">folder</a><a href="/book/other.html?x=1#a">absolute</a>
<a href="https://elsewhere.example/page#x">elsewhere</a><a href="mailto:a@b.example">write</a>
<a href="https://git.example/parts/blob/main/settings.ini#L3">file</a><a href="" onclick="toggle()">dark</a>
<img src="p%20q.png" alt="a part"><img src="data:image/png;base64,AA" alt="">
<img srcset="p%20q.png 2x" src="p%20q.png" alt="">
<iframe srcdoc="&lt;p id='in'&gt;&lt;a href='#in'&gt;x&lt;/a&gt;&lt;img src='p q.png' alt='a part'&gt;"></iframe>
<script>const host = "https://elsewhere.example"; import("./site/b.js")</script>
"""


@pytest.fixture
def site(tmp_path):
    "A site without a fault: two pages, a folder, a style sheet, a script and a picture."
    for name, text in {
        "index.html": SOUND.replace('<a href="">self</a>', ""),
        "other.html": '<a name="a">x</a><h2 id="two words">Two words</h2><a href="index.html#start">back</a>',
        "folder/index.html": '<a href="../other.html#a">up</a>',
        "site/a.css": "@import 'c.css'; body { background: url(../p%20q.png) } i { mask: url('data:image/svg+xml,x') }",
        "site/b.js": 'import x from "./c.js"; // see https://elsewhere.example',
        "site/c.css": "",
        "p q.png": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def found(site):
    return list(dead_links(site, SITE, REPO))


def test_sound_site(site):
    assert found(site) == []


@pytest.mark.parametrize(
    "line, told",
    [
        ('<a href="gone.html">x</a>', "gone.html does not exist"),
        ('<a href="">x</a>', "an empty address does not exist"),
        ('<a href="/other.html">outside the site</a>', "/other.html does not exist"),
        ('<a href="/bookshop/other.html">outside the site</a>', "/bookshop/other.html does not exist"),
        ('<a href="https://parts.example/book/gone.html">x</a>', "gone.html does not exist"),
        ('<a href="#nowhere">x</a>', "#nowhere is no heading"),
        ('<a href="other.html#Two words">x</a>', "other.html#Two words is no heading"),
        ('<a href="https://git.example/parts/blob/main/gone.py">x</a>', "gone.py is no file of the repository"),
        ('<img src="gone.png" alt="x">', "gone.png does not exist"),
        ('<img src="p%20q.png">', "p%20q.png has no alternative text"),
        ('<img srcset="gone.png 2x, p%20q.png 1x" src="p%20q.png" alt="">', "gone.png does not exist"),
        ('<video poster="gone.png"></video>', "gone.png does not exist"),
        ('<meta property="og:image" content="https://parts.example/book/gone.png">', "gone.png does not exist"),
        ('<script src="https://cdn.example/x.js"></script>', "asks another host: https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/css">', "asks another host: //fonts.example/css"),
        ('<link rel="preconnect" href="https://fonts.example">', "asks another host: https://fonts.example"),
        ('<img src="https://badges.example/b.svg" alt="badge">', "asks another host: https://badges.example/b.svg"),
        ('<p style="background: url(https://cdn.example/x.png)">', "asks another host: https://cdn.example/x.png"),
        ("<style>@import 'https://fonts.example/css'</style>", "asks another host: https://fonts.example/css"),
        ('<script>import("https://cdn.example/x.js")</script>', "asks another host: https://cdn.example/x.js"),
        ("<iframe srcdoc=\"<img src='gone.png' alt='x'>\"></iframe>", "gone.png does not exist"),
        ("<iframe srcdoc=\"<a href='#start'>x</a>\"></iframe>", "#start is no name in the embedded page"),
    ],
)
def test_faults_of_a_page(site, line, told):
    with (site / "folder/index.html").open("a") as page:
        page.write(line.replace("p%20q", "../p%20q").replace('"other.html#', '"../other.html#'))
    [said] = found(site)
    assert said.startswith("folder/index.html: ") and told in said.replace("../", "")


def test_faults_of_style_sheets_and_scripts(site):
    (site / "site/a.css").write_text("b { src: url(gone.woff) } @import url('https://fonts.example/css');")
    (site / "site/b.js").write_text('import x from "https://cdn.example/x.js"')
    assert found(site) == [
        "site/a.css: gone.woff does not exist",
        "site/a.css: asks another host: https://fonts.example/css",
        "site/b.js: asks another host: https://cdn.example/x.js",
    ]


@pytest.mark.parametrize(
    "line, status",
    [
        ("Output created: _docs/index.html", 0),
        ("a line about warnings", 0),
        ("WARNING: Unable to resolve link target: gone.ipynb", 1),
        ("\x1b[33mWARN: Unable to resolve link target: gone.ipynb\x1b[39m", 1),
        ("[WARNING] Div at line 3 unclosed", 1),
    ],
)
def test_a_warning_fails(line, status):
    "A program that warns and ends with 0, as Quarto does, fails nevertheless."
    program = [sys.executable, "-c", f"import sys; print({line!r}, file=sys.stderr)"]
    done = subprocess.run([sys.executable, ROOT / ".ci/render.py", *program], capture_output=True, text=True)
    assert done.returncode == status and line in done.stdout


def test_a_failure_fails():
    done = subprocess.run([sys.executable, ROOT / ".ci/render.py", sys.executable, "-c", "raise SystemExit(3)"])
    assert done.returncode == 3
