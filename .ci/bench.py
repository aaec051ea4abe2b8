"""Run the benchmark notebooks named on the command line (or all with results) and write nbs/benchmarks/results.md."""

import json
import os
import re
import sys
from pathlib import Path

from pages import title

FOLDER = Path(__file__).resolve().parent.parent / "nbs/benchmarks"
NAMES = ("speed", "memory", "low_end", "latency")


def rerun(path):
    "Run every code cell of a notebook, flagged ones too, and store its outputs."
    from execnb.nbio import read_nb, write_nb
    from execnb.shell import CaptureShell

    os.chdir(path.parent)
    notebook, shell = read_nb(path), CaptureShell(path=path.parent)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "nbdev_export()" not in cell.source:
            shell.cell(cell)
            if errors := [o for o in cell.outputs if o.output_type == "error"]:
                sys.exit(f"{path.name}: {errors[0].ename}: {errors[0].evalue}\n{cell.source}")
    write_nb(notebook, path)
    print("ran", path.name, flush=True)


def heading(name):
    "The title of a notebook as a heading that leads to it."
    return f"## [{title(FOLDER / f'{name}.ipynb')[0]}]({name}.ipynb)"


def table(rows):
    "Rows of results as Markdown."
    lines = ["| step | size | official way | ours | ratio | asked | |", "|---|---|---:|---:|---:|---|---|"]
    for row in rows:
        official = "–" if row["official"] is None else f"{row['official']:,} {row['unit']}"
        found = (row["step"], row["size"], official, f"{row['ours']:,} {row['unit']}", f"{row['ratio']:,}")
        verdict = "reached" if row["reached"] else "**not reached**"
        lines.append(f"| {' | '.join(map(str, found))} | {row['target']} | {verdict} |")
    return "\n".join(lines)


def backbone_table(backbones):
    "The table of backbones as Markdown."
    lines = ["| " + " | ".join(backbones[0]).replace("_", " ") + " |", "|---" + "|---:" * (len(backbones[0]) - 1) + "|"]
    return "\n".join(
        [
            *lines,
            *(
                "| " + " | ".join("–" if value is None else str(value) for value in row.values()) + " |"
                for row in backbones
            ),
        ]
    )


def on_gpu(path):
    "What was measured on a GPU."
    found = json.loads(path.read_text())
    rows = [
        f"| {row['step']} | {row['value']:,} {row['unit']} | {row['share_of_ceiling'] or ''} |" for row in found["rows"]
    ]
    return "\n".join(
        [
            f"{found['machine']['device']}, torch {found['machine']['torch']}.\n",
            "| step | | share of the ceiling |",
            "|---|---:|---:|",
            *rows,
        ]
    )


def main():
    chosen = sys.argv[1:] or NAMES
    for name in chosen:
        rerun(FOLDER / f"{name}.ipynb")
    found = {name: json.loads(path.read_text()) for name in NAMES if (path := FOLDER / f"results/{name}.json").exists()}
    machine = ", ".join(f"{re.sub('_', ' ', k)} {v}" for k, v in found.get("speed", {}).get("machine", {}).items())
    parts = [
        "# Results of the benchmark notebooks",
        f"Written by `make bench`. Ratios are medians of alternating runs in one process. Machine: {machine}.",
    ]
    parts += [f"{heading(name)}\n\n{table(content['rows'])}" for name, content in found.items()]
    parts += (
        [
            "## Backbones for choosing\n\nAUROC in %, untrained networks without one.",
            backbone_table(found["low_end"]["backbones"]),
        ]
        if "low_end" in found
        else []
    )
    parts += (
        [
            "## One image at a time\n\nMilliseconds per image, from a file to the verdict, in a warm process;"
            " bank of 10 %, f32 and two threads unless stated otherwise.",
            backbone_table(found["latency"]["expect"]),
        ]
        if "latency" in found
        else []
    )
    if (path := FOLDER / "results/gpu.json").exists():
        parts += [f"{heading('gpu')}\n\n{on_gpu(path)}"]
    (FOLDER / "results.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
