"""Look through a rendered site: dead links and anchors, missing files, pictures without text, requests to other hosts.

`python .ci/links.py _docs` prints what is wrong and ends with 1 if there is anything; `make docs` runs it. What a page
loads has to lie in the site. What a reader may follow to another host is not looked up, except for files of the
project's own repository, which are compared with the checkout.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).resolve().parent.parent
CSS = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
JAVASCRIPT = re.compile(r"""\b(?:import|from|importScripts|fetch)\s*\(?\s*["']((?:https?:)?//[^"']+)""")
FOLLOWED = {"alternate", "author", "canonical", "help", "license", "next", "prev", "search"}  # kinds of <link>
UNASKED = ("data:", "blob:", "about:", "javascript:", "mailto:", "tel:")


class Page(HTMLParser):
    "What a page holds: names that links can point at, addresses to follow, addresses it loads."

    def __init__(self, text):
        super().__init__()
        self.names, self.followed, self.loaded, self.wrong, self.inside = {"top"}, [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.inside = tag if tag in ("style", "script") else ""
        self.names |= {given[key] for key in ("id", "name") if key == "id" or tag == "a" if key in given}
        rel = set(given.get("rel", "").lower().split())
        if given.get("href") or ("href" in given and "onclick" not in given):  # an empty one may be a button
            follow = tag in ("a", "area") or tag == "link" and rel and rel <= FOLLOWED
            (self.followed if follow else self.loaded).append(given["href"])
        if tag == "meta" and re.fullmatch(r"(og|twitter):image", given.get("property", given.get("name", ""))):
            self.followed.append(given.get("content", ""))
        self.loaded += [given[key] for key in ("src", "poster", "xlink:href") if key in given]
        self.loaded += [given["data"]] if tag == "object" and "data" in given else []
        for candidate in re.split(r",\s+", given.get("srcset", "")):
            self.loaded += candidate.split()[:1]
        self.loaded += addresses(given.get("style", ""))
        if tag == "img" and "alt" not in given:
            self.wrong.append(f"{given.get('src', 'a picture')[:100]} has no alternative text")
        if "srcdoc" in given:
            inner = Page(given["srcdoc"])  # its anchors are its own, its addresses are relative to this page
            self.loaded, self.wrong = self.loaded + inner.loaded, self.wrong + inner.wrong
            self.followed += [url for url in inner.followed if not url.startswith("#")]
            dead = {url for url in inner.followed if url.startswith("#")} - {f"#{name}" for name in inner.names} - {"#"}
            self.wrong += [f"{url} is no name in the embedded page" for url in sorted(dead)]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "style":
            self.loaded += addresses(data)
        elif self.inside == "script":
            self.loaded += JAVASCRIPT.findall(data)


def addresses(css):
    "What a style sheet loads."
    return [first or second for first, second in CSS.findall(css)]


def dead_links(site, site_url, repo_url, root=ROOT):
    "Yield a line for everything that is wrong with the site in the folder `site`, made for the address `site_url`."
    site = site.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    base = urlsplit(site_url)

    def place(page, url):
        "The file that an address names, or None where it is that of another host."
        parts = urlsplit(url)
        own = (parts.path + "/").startswith(base.path + "/") and parts.netloc in ("", base.netloc)
        if parts.netloc and not own:
            return None
        if not parts.netloc and not parts.path.startswith("/"):
            found = page.parent / unquote(parts.path) if parts.path else page
        elif own:
            found = site / unquote(parts.path.removeprefix(base.path)).lstrip("/")
        else:
            return site / "outside of the site"
        return found / "index.html" if found.is_dir() else found.resolve()

    def loads(page, urls):
        for url in (url for url in urls if not url.startswith(UNASKED)):
            path = place(page, url)
            if path is None:
                yield f"asks another host: {url}"
            elif not url or not path.is_file():
                yield f"{url or 'an empty address'} does not exist"

    for page, found in pages.items():
        where = page.relative_to(site)
        yield from (f"{where}: {line}" for line in found.wrong)
        yield from (f"{where}: {line}" for line in loads(page, found.loaded))
        for url in (url for url in found.followed if not url.startswith(UNASKED)):
            path = place(page, url)
            ours = re.match(re.escape(repo_url) + r"/(?:blob|edit|tree|raw)/main/([^#?]*)", url)
            if ours and not (root / unquote(ours[1])).exists():
                yield f"{where}: {url} is no file of the repository"
            elif path is not None and not (url and path.is_file()):
                yield f"{where}: {url or 'an empty address'} does not exist"
            elif path in pages and (name := unquote(urlsplit(url).fragment)) and name not in pages[path].names:
                yield f"{where}: {url} is no heading or name there"
    for path in sorted(path for path in site.rglob("*") if path.suffix in (".css", ".js", ".mjs")):
        pattern = addresses if path.suffix == ".css" else JAVASCRIPT.findall
        text = path.read_text(encoding="utf-8", errors="replace")
        yield from (f"{path.relative_to(site)}: {line}" for line in loads(path, pattern(text)))


if __name__ == "__main__":
    website = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))["website"]
    folder = Path(sys.argv[1])
    if not list(folder.rglob("*.html")):
        sys.exit(f"{folder} holds no page: make the site with `make docs`")
    wrong = list(dict.fromkeys(dead_links(folder, website["site-url"], website["repo-url"])))
    sys.exit("\n".join([*wrong, f"{len(wrong)} dead links or requests in {folder}"]) if wrong else 0)
