"""Make README.md from nbs/index.ipynb: its visible cells as Markdown."""

import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
notebook = nbformat.read(ROOT / "nbs/index.ipynb", as_version=4)
parts = []
for cell in notebook.cells:
    if cell.cell_type == "markdown":
        parts.append(cell.source)
    elif cell.cell_type == "code" and not re.search(r"^#\| *hide\b", cell.source, re.M):
        source = re.sub(r"^#\|.*\n", "", cell.source, flags=re.M)
        parts.append(f"```python\n{source}\n```")
        texts = [
            o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs if o.get("name") != "stderr"
        ]  # bars and messages are not results
        if text := "".join(texts).rstrip():
            parts.append("\n".join(f"    {line}" for line in text.splitlines()))
text = "\n\n".join(parts) + "\n"
# Links to notebooks and pictures, which are relative to nbs/, become links to their files in the repository.
text = re.sub(r"\]\((?![a-z]+:|#)", "](nbs/", text)
(ROOT / "README.md").write_text(text, encoding="utf-8")
