"""The page does what a person comes for: train on a file, watch, look at the model, predict. In a real browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

DATA = Path(__file__).parents[2] / "examples" / "data"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
pytestmark = pytest.mark.slow


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that fails the test if its script does."""
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "Chromium is not installed (on Debian: apt install chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    errors: list[object] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 - it wants a function of its own
        yield page
        browser.close()
    assert errors == []


def test_a_file_becomes_a_model_that_predicts_on_the_page(page, neurona):
    page.goto(str(neurona.http.base_url))
    page.set_input_files("input[name=file]", DATA / "iris.csv")
    expect(page.locator("input[name=model]")).to_have_value("iris")
    page.fill("input[name=model]", "iris-page")
    page.fill("input[name=label]", "species")
    page.click("text=Train >> nth=-1")
    expect(page.locator("#job-text")).to_contain_text("succeeded", timeout=60_000)
    expect(page.locator("#curve path")).to_have_count(2)
    page.locator("#models tr", has_text="iris-page").get_by_role("button").click()
    expect(page.locator("#model-title")).to_have_text("iris-page@1")
    page.fill("#predict textarea", "[[5.1, 3.5, 1.4, 0.2]]")
    page.click("#predict button")
    expect(page.locator("#answer tr").first).to_contain_text("setosa")
    page.fill("#predict textarea", '[[5.1, "x", 1.4, 0.2]]')
    page.click("#predict button")
    expect(page.locator("#notice")).to_contain_text("sepal_width")
    labelled = {"instances": [[5.1, 3.5, 1.4, 0.2]], "labels": ["virginica"]}
    assert neurona.http.post("/v1/models/iris-page/feedback", json=labelled).status_code == 201
    page.locator("#models tr", has_text="iris-page").get_by_role("button").click()
    expect(page.locator("#card div", has_text="Accuracy on feedback (rows: 1)").last).to_contain_text(
        "0.0000"
    )


def test_the_api_page_tries_a_prediction_out_under_its_own_policy(page, neurona):
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{neurona.server.url}/docs")
    page.locator(".opblock-summary", has_text="/v1/models/{ref}/predict").click()
    page.locator(".opblock-body input[placeholder]").first.fill("nothing-here")
    page.click(".opblock-body button.execute")
    expect(page.locator(".live-responses-table")).to_contain_text("404")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
    )
    assert page.evaluate("window.ran") is None
    assert len(complaints) == 2, complaints  # of the 404, and of the script in the page's text
