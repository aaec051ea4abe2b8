"""The report of a prediction in a real browser: filters, search and order, a page without scripts, nothing asked."""

import pytest
from test_browser import CHROMIUM, chromium

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (on Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    "A report of ten flanges, six of them defective."
    from patchcore_nb import Geometry, MVTecAD, PatchCore, make_demo
    from patchcore_nb.look.report import write_report

    root = make_demo(tmp_path_factory.mktemp("report") / "demo", ["flange"], n_train=12, n_good=2, n_defect=2)
    flange = MVTecAD(root, "flange", Geometry(128))
    model = PatchCore("loupe", coreset=0.1, device="cpu", progress=False).fit(flange.train)
    prediction = model.predict(flange.test)
    return write_report(root / "report.html", flange.test, prediction, model, labelled=True), flange.test


def test_filters_search_and_order(report):
    file, images = report
    with chromium() as (page, errors):
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        shown = page.locator("article.image:visible")
        assert shown.count() == len(images)
        page.get_by_label("good", exact=True).check()
        assert shown.count() == page.locator("article.good").count() < len(images)
        page.get_by_label("all", exact=True).check()
        page.get_by_label("name contains").fill("SCRATCH")
        assert shown.count() == images.defects.count("scratch") == 2
        assert f"2 of {len(images)} shown" in page.locator("output").inner_text()
        page.get_by_label("name contains").fill("")
        page.get_by_label("order").select_option("name")
        names = [article.get_attribute("data-name") for article in shown.all()]
        assert names == sorted(names)
        assert {url for url in asked if not url.startswith("data:")} == {file.as_uri()}
        assert not errors  # the policy of the page allows its own script and pictures


def test_without_scripts_everything_is_shown(report):
    file, images = report
    with chromium() as (page, _):
        plain = page.context.browser.new_context(java_script_enabled=False).new_page()
        plain.goto(file.as_uri())
        assert plain.locator("article.image:visible").count() == len(images)
        assert not plain.locator("form").is_visible()
        scores = [float(article.get_attribute("data-score")) for article in plain.locator("article").all()]
        assert scores == sorted(scores, reverse=True)
