"""Make README.md from nbs/index.ipynb: its visible cells as Markdown, its figures as files in nbs/images/."""

import base64
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
notebook = nbformat.read(ROOT / "nbs/index.ipynb", as_version=4)
parts = []
for cell in notebook.cells:
    if cell.cell_type == "markdown":
        # Options and ::: are for the site, and so are the cells that only HTML shows.
        if not cell.source.startswith('::: {.content-visible when-format="html"}'):
            source = re.sub(r"^(?:- [a-z-]+: .*|:::.*)\n?", "", cell.source, flags=re.M)
            parts.append(re.sub(r'!\[\]\((\S+)\)\{fig-alt="(.*)"\}', r"![\2](\1)", source).rstrip())
    elif cell.cell_type == "code" and not re.search(r"^#\| *hide\b", cell.source, re.M):
        source = re.sub(r"^#\|.*\n", "", cell.source, flags=re.M)
        parts.append(f"```python\n{source}\n```")
        texts = [
            o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs if o.get("name") != "stderr"
        ]  # bars and messages are not results
        figures = [o["data"]["image/jpeg"] for o in cell.outputs if "image/jpeg" in o.get("data", {})]
        if text := "".join(t for t in texts if not t.startswith("<Figure")).rstrip():
            parts.append("\n".join(f"    {line}" for line in text.splitlines()))
        for figure in figures:
            alt = re.search(r'^#\| fig-alt: "(.*)"', cell.source, re.M)[1]
            (ROOT / f"nbs/images/{cell.id}.jpg").write_bytes(base64.b64decode(figure))
            parts.append(f"![{alt}](images/{cell.id}.jpg)")
text = "\n\n".join(parts) + "\n"
# Links to notebooks and pictures, which are relative to nbs/, become links to their files in the repository.
text = re.sub(r"\]\((?![a-z]+:|#)", "](nbs/", text)
(ROOT / "README.md").write_text(text, encoding="utf-8")
