"""What a worker process of `.ci/test.py` does: one notebook after another, on one thread unless told otherwise."""

import os
import sys
import tempfile


def one_thread():
    "In a worker process, before the first notebook: they run side by side, so each has one thread."
    os.environ["MPLBACKEND"] = "agg"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # OMP_NUM_THREADS=4 make test: with four


def tested(path, flags, root):
    "In a worker process: whether a notebook passes, in how many seconds, and all that it wrote."
    from nbdev.test import test_nb

    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        kept = [(stream, os.dup(stream)) for stream in (1, 2)]
        try:
            for stream, _ in kept:
                os.dup2(file.fileno(), stream)
            ok, seconds = test_nb(path, skip_flags=flags, basepath=root)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for stream, copy in kept:
                os.dup2(copy, stream)
                os.close(copy)
        file.seek(0)
        return ok, seconds, file.read()
