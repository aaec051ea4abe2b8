# Needs only Python (>= 3.10), make and PyPI; docs and try need npm as well. Everything runs in .venv, which is made on first use.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test bench export pictures docs try dist clean

demo: .venv/installed  ## a whole inspection on a made part: verdicts, report.html, contact_sheet.png, in a minute
	$(BIN)/patchcore_nb demo

test: .venv/installed  ## all notebooks, the exported modules, their agreement, style
	$(BIN)/python -m pytest -c .ci/pytest.ini --rootdir . .ci

bench: .venv/installed  ## the benchmark notebooks (half an hour, needs PATCHCORE_NB_DATA and PATCHCORE_NB_WEIGHTS) and their table
	$(BIN)/python .ci/bench.py
	$(BIN)/nbdev_clean
	$(BIN)/python .ci/outputs.py

export: .venv/installed  ## notebooks -> modules, README; lay out and clean notebooks
	$(BIN)/ruff format --quiet .
	$(BIN)/nbdev_export
	$(BIN)/nbdev_clean
	$(BIN)/python .ci/outputs.py
	$(BIN)/python .ci/readme.py

pictures: .venv/installed  ## the moving pictures of README, explorers and studio; needs Chromium
	$(BIN)/python .ci/pictures.py
	$(BIN)/python .ci/film_coverage.py
	$(BIN)/python .ci/film_heatmaps.py
	$(BIN)/python .ci/studio_picture.py

docs: .venv/installed  ## the docs site, in _docs, without a warning or a dead link; needs quarto
	@command -v quarto >/dev/null || { echo "quarto is missing: install it from https://quarto.org, then run make docs again"; exit 1; }
	$(BIN)/python .ci/pages.py
	$(BIN)/python .ci/try_page.py
	touch README.md  # ours is made by .ci/readme.py; nbdev has Quarto make another where the index is newer
	$(BIN)/python .ci/render.py
	diff -rq nbs/try _docs/try  # what the try page loads has been copied
	$(BIN)/python .ci/links.py _docs

try: .venv/installed  ## the page "Try it in your browser" alone, on http://127.0.0.1:8000; needs npm
	$(BIN)/python .ci/try_page.py try
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory try

dist: .venv/installed  ## sdist and wheel in dist/, looked into, installed, used; TAG=0.2.0 as well: fit to be released as that
	rm -rf dist build
	$(BIN)/python -m build --outdir dist
	DIST=dist TAG=$(TAG) $(BIN)/python -m pytest -c .ci/pytest.ini --rootdir . .ci/test_package.py

clean:  ## remove the environment and everything that is made
	rm -rf .venv _docs _proc build dist *.egg-info demo browser try nbs/gallery nbs/gallery.qmd nbs/api.qmd nbs/changelog.qmd nbs/try/made

.venv/installed: settings.ini setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@
