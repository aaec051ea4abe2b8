"""Take progress bars and messages, which go to stderr, out of the stored outputs of the notebooks.

`make export` runs it. A page shows results; what a reader should see of a message stands in the text or is printed.
"""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

for path in sorted((ROOT / "nbs").rglob("*.ipynb")):
    notebook = json.loads(text := path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
    kept = json.dumps(notebook, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    if kept != text:
        path.write_text(kept, encoding="utf-8")
