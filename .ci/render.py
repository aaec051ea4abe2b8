"""Make the site in _docs, and fail where nbdev or Quarto warns: `make docs` runs it."""

import re
import subprocess
import sys

WARNING = re.compile(
    r"^(?:\x1b\[[\d;]*m)*[\[(]?(?:WARN|ERROR)", re.M
)  # Quarto and Pandoc; they end with 0 all the same

command = sys.argv[1:] or ["nbdev_docs"]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1) as run:
    said = []
    for line in run.stdout or ():
        print(line, end="", flush=True)
        said.append(line)
warnings = [line for line in said if WARNING.match(line)]
if warnings:
    print(f"\n{len(warnings)} warnings:", *warnings, sep="\n")
sys.exit(run.returncode or bool(warnings))
