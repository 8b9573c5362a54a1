"""The page does what a person comes for: train on a file, watch, look at the model, predict. In a real browser."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect, sync_playwright

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


def test_the_page_is_the_same_when_it_is_loaded_again(page, neurona):
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(neurona.server.url)
    for _ in range(2):
        expect(page.locator("#no-models:visible, #models tbody tr").first).to_be_attached()
        page.reload()
    expect(page.locator("#no-models:visible, #models tbody tr").first).to_be_attached()
    assert complaints == []


def test_the_page_goes_on_asking_where_the_server_could_not_answer(page, neurona):
    page.clock.install()
    page.route("**/v1/jobs?*", lambda route: route.fulfill(status=503, json={"detail": "not now"}), times=1)
    page.goto(str(neurona.http.base_url))
    expect(page.locator("#stale")).to_contain_text("not now")
    with page.expect_response("**/v1/jobs?*") as again:
        page.clock.run_for(5000)
    assert again.value.ok
    expect(page.locator("#stale")).to_be_hidden()


def test_a_key_that_may_not_see_jobs_is_told_so_in_their_place_and_sees_the_models(page, neurona):
    refused = {"detail": "'predict' may not do this; it needs 'train'"}
    page.route("**/v1/jobs?*", lambda route: route.fulfill(status=403, json=refused), times=1)
    page.clock.install()
    page.goto(str(neurona.http.base_url))
    expect(page.locator("#jobs-denied")).to_have_text(refused["detail"])
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#no-jobs")).to_be_hidden()
    expect(page.get_by_role("button", name="Open iris")).to_be_visible()
    page.clock.run_for(5000)  # with another key
    expect(page.locator("#jobs-denied")).to_be_hidden()


def test_a_button_that_was_come_to_stays_while_what_is_around_it_changes(page, neurona):
    page.clock.install()
    model = {"name": "iris", "versions": [1], "aliases": {"production": 1}}
    page.route("**/v1/models?*", lambda route: route.fulfill(json={"items": [model], "next_cursor": None}))
    page.goto(str(neurona.http.base_url))
    button = page.get_by_role("button", name="Open iris")
    button.focus()
    model["versions"] = [1, 2]
    page.clock.run_for(5000)
    expect(page.locator("#models .number")).to_have_text("2")
    expect(button).to_be_focused()


@pytest.fixture
def far_below(page, neurona) -> None:
    """The page of 80 models, of which one has been opened, below them all."""
    card = {"version": 1, "classes": ["a", "b"], "encoding": {"columns": []}}
    models = [{"name": f"model-{n}", "versions": [1], "aliases": {"production": 1}} for n in range(80)]
    page.route("**/v1/models?*", lambda route: route.fulfill(json={"items": models, "next_cursor": None}))
    page.route("**/v1/models/model-0", lambda route: route.fulfill(json={**models[0], "warnings": []}))
    page.route("**/v1/models/model-0/card", lambda route: route.fulfill(json=card))
    page.goto(str(neurona.http.base_url))
    page.get_by_role("button", name="Open model-0", exact=True).click()


@pytest.mark.usefixtures("far_below")
def test_what_is_opened_comes_into_sight_however_many_models_there_are(page):
    expect(page.get_by_role("heading", name="model-0@1")).to_be_in_viewport()


def test_a_narrow_page_is_as_wide_as_its_window(page, neurona):
    job = {
        **{"id": "job_0", "kind": "train", "model": "a-model-with-a-name", "version": 1, "state": "running"},
        **{"progress": {"fraction": 0.5}, "metrics": None},
    }
    page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"items": [job], "next_cursor": None}))
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(str(neurona.http.base_url))
    expect(page.get_by_role("button", name="Cancel")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_job_that_waits_has_no_curve_yet(page, neurona):
    job = {
        **{"id": "job_0", "kind": "train", "model": "iris", "version": 1, "state": "queued", "warnings": []},
        **{"progress": {"fraction": 0}, "metrics": None, "promoted": None, "error": None},
    }
    page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"items": [job], "next_cursor": None}))
    page.route(
        "**/v1/jobs/job_0/events",
        lambda route: route.fulfill(body=f"event: state\ndata: {json.dumps(job)}\n\n"),
    )
    page.goto(str(neurona.http.base_url))
    page.get_by_role("button", name="Watch").click()
    expect(page.locator("#job-text")).to_have_text("iris@1: queued")
    expect(page.locator("#curve *")).to_have_count(0)


def test_epochs_that_come_together_are_drawn_together_and_in_sight(page, neurona):
    job = {
        **{
            "id": "job_0",
            "kind": "train",
            "model": "iris",
            "version": 1,
            "state": "succeeded",
            "warnings": [],
        },
        **{"progress": {"fraction": 1}, "metrics": None, "promoted": None, "error": None},
    }
    losses = {"train_loss": 0.5, "validation_loss": 0.5}
    epochs = [{"candidate": "softmax_regression", "epoch": n, **losses} for n in range(1, 1001)]
    events = [f"event: epoch\ndata: {json.dumps(epoch)}\nid: {epoch['epoch']}\n\n" for epoch in epochs]
    body = "".join([*events, f"event: state\ndata: {json.dumps(job)}\n\n"])
    jobs = [job, *({**job, "id": f"job_{n}", "state": "failed"} for n in range(1, 10))]
    page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"items": jobs, "next_cursor": None}))
    page.route("**/v1/jobs/job_0/events", lambda route: route.fulfill(body=body))
    page.goto(str(neurona.http.base_url))
    page.evaluate(
        "new MutationObserver(made => { window.drawn = (window.drawn ?? 0) + made.length })"
        ".observe(document.querySelector('#curve'), { childList: true })"
    )
    page.set_viewport_size({"width": 1280, "height": 600})
    page.get_by_role("button", name="Watch").first.click()
    expect(page.locator("#job-text")).to_have_text("iris@1: succeeded")
    expect(page.locator("#curve")).to_be_in_viewport(ratio=1)
    expect(page.locator("#curve-text")).to_contain_text("Epochs: 1000.")
    assert page.evaluate("window.drawn") < 20


def test_nothing_moves_on_a_page_that_has_been_loaded(page, neurona):
    job = {
        **{"id": "job_0", "kind": "train", "model": "iris", "version": 1, "state": "running"},
        **{"progress": {"fraction": 0.5}, "metrics": None},
    }
    model = {"name": "iris", "versions": [1], "aliases": {"production": 1}}
    page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"items": [job] * 10, "next_cursor": None}))
    page.route("**/v1/models?*", lambda route: route.fulfill(json={"items": [model], "next_cursor": None}))
    page.add_init_script(
        "window.shifted = 0; new PerformanceObserver(seen => { for (const each of seen.getEntries()) "
        "window.shifted += each.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    page.goto(str(neurona.http.base_url))
    expect(page.get_by_role("button", name="Open iris", exact=True)).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.shifted") < 0.01


def test_where_there_are_more_jobs_than_are_shown_more_can_be(page, neurona):
    page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"items": [], "next_cursor": "11"}), times=1)
    page.goto(str(neurona.http.base_url))
    with page.expect_response("**/v1/jobs?limit=50"):
        page.click("#more-jobs")
    expect(page.locator("#more-jobs")).to_be_hidden()


def test_an_error_of_a_persons_own_stays_until_he_does_something_else(page, neurona):
    page.clock.install()
    page.goto(str(neurona.http.base_url))
    page.locator("#models tr", has_text="iris").first.get_by_role("button").click()
    expect(page.locator("#predict textarea")).to_have_value(re.compile("sepal_length"))
    page.fill("#predict textarea", "[[5.1]]")
    page.click("#predict button")
    expect(page.locator("#notice")).to_contain_text("expected 4")
    for _ in range(2):  # the second begins when all of the first is done
        with page.expect_response("**/v1/jobs?*"):
            page.clock.run_for(5000)
    expect(page.locator("#notice")).to_contain_text("expected 4")
    page.fill("#predict textarea", "[[5.1, 3.5, 1.4, 0.2]]")
    page.click("#predict button")
    expect(page.locator("#notice")).to_be_hidden()


def test_who_looks_at_many_jobs_has_one_stream_open(page, neurona):
    job = neurona.train_long("looked-at")
    opened: list[Request] = []
    ended: list[Request] = []
    for event, seen in (("request", opened), ("requestfinished", ended), ("requestfailed", ended)):
        page.on(event, lambda request, seen=seen: seen.append(request))
    page.goto(str(neurona.http.base_url))
    watch = page.locator(f"tr[data-key={job['id']}]").get_by_role("button", name="Watch")
    for count in range(1, 9):  # a browser opens six connections to a server
        with page.expect_response("**/events") as answered:
            watch.click()
        assert answered.value.ok
        assert len([each for each in opened if each.url.endswith("/events")]) == count
    expect(page.locator("#job-text")).to_contain_text("running")
    streams = [each for each in opened if each.url.endswith("/events") and each not in ended]
    assert len(streams) == 1
    page.locator(f"tr[data-key={job['id']}]").get_by_role("button", name="Cancel").click()
    expect(page.locator("#job-text")).to_contain_text("cancelled", timeout=20_000)


def test_a_stream_that_ends_too_early_is_gone_on_with_after_a_second(page, neurona):
    page.clock.install()
    job = neurona.ended(neurona.train("cut-off", neurona.iris, label="species"))
    asked: list[str | None] = []

    def cut(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id"))
        first = neurona.epochs(job)[0]
        body = f"event: epoch\ndata: {json.dumps(first)}\nid: {first['sequence']}\n\n"
        if len(asked) == 1:
            route.fulfill(body=body, content_type="text/event-stream")
        elif len(asked) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/events", cut)
    page.goto(str(neurona.http.base_url))
    page.locator(f"tr[data-key={job['id']}]").get_by_role("button").click()
    expect(page.locator("#curve-text")).to_contain_text("Epochs: 1.")
    for tries in (1, 2):
        page.clock.run_for(900)
        assert len(asked) == tries
        with page.expect_request("**/events"):
            page.clock.run_for(200)
    expect(page.locator("#job-text")).to_contain_text("succeeded")
    assert asked == ["0", "1", "1"]
    expect(page.locator("#curve-text")).to_contain_text(f"Epochs: {len(neurona.epochs(job))}.")


def test_a_form_is_sent_once_however_often_its_button_is_pressed(page, neurona):
    sent: list[Route] = []
    page.route("**/v1/models/iris/train*", lambda route: sent.append(route))  # noqa: PLW0108 - as above
    page.goto(str(neurona.http.base_url))
    page.set_input_files("input[name=file]", DATA / "iris.csv")
    button = page.locator("#train button")
    with page.expect_request("**/train*"):
        button.click()
    expect(button).to_have_text("Sending…")
    button.click(force=True)
    page.keyboard.press("Enter")
    assert len(sent) == 1
    sent[0].fulfill(status=413, json={"detail": "too large"})
    expect(page.locator("#notice")).to_have_text("too large")
    expect(button).to_have_text("Train")
    with page.expect_request("**/train*"):
        button.click()


def test_a_model_is_called_as_the_file_chosen_last_unless_a_person_has_named_it(page, neurona):
    page.goto(str(neurona.http.base_url))
    named = [
        ("_Größe (1).csv", "gr--e--1-"),
        ("a" * 80 + ".csv", "a" * 64),
        ("iris.v2.csv", "iris"),
        ("__.csv", ""),
    ]
    for file, model in named:
        page.set_input_files("input[name=file]", {"name": file, "mimeType": "text/csv", "buffer": b""})
        expect(page.locator("input[name=model]")).to_have_value(model)
    page.fill("input[name=model]", "mine")
    page.set_input_files("input[name=file]", DATA / "iris.csv")
    expect(page.locator("input[name=model]")).to_have_value("mine")


@pytest.mark.usefixtures("far_below")
def test_what_is_wrong_with_rows_is_in_sight_where_they_are_written(page):
    page.fill("#predict textarea", "5.1, 3.5")
    page.click("#predict button")
    expect(page.locator("#notice")).to_contain_text("The rows are not JSON")
    expect(page.locator("#notice")).to_be_in_viewport(ratio=1)
    expect(page.locator("#predict button")).to_be_in_viewport()


def test_an_answer_is_in_sight_where_its_rows_were_written(page, neurona):
    card = {"version": 1, "classes": ["a", "b"], "encoding": {"columns": []}}
    model = {"name": "iris", "versions": [1], "aliases": {"production": 1}, "warnings": []}
    top = [[{"label": label, "probability": 0.5} for label in card["classes"]]]
    page.route("**/v1/models?*", lambda route: route.fulfill(json={"items": [model], "next_cursor": None}))
    page.route("**/v1/models/iris", lambda route: route.fulfill(json=model))
    page.route("**/card", lambda route: route.fulfill(json=card))
    page.route("**/predict", lambda route: route.fulfill(json={"top": top}))
    page.set_viewport_size({"width": 390, "height": 400})
    page.goto(str(neurona.http.base_url))
    page.get_by_role("button", name="Open iris", exact=True).click()
    page.click("#predict button")
    expect(page.locator("#answer tr").last).to_be_in_viewport(ratio=1)


def test_no_name_however_long_makes_the_page_wider_than_its_window(page, neurona):
    name, label = "n" * 64, "l" * 300
    model = {"name": name, "versions": [1], "aliases": {"production": 1}, "warnings": [label]}
    card = {"version": 1, "classes": [label, "b"], "encoding": {"columns": []}}
    job = {
        **{"id": "job_0", "kind": "train", "model": name, "version": 1, "state": "running"},
        **{"progress": {"fraction": 0.5}, "metrics": None},
    }
    top = [[{"label": label, "probability": 0.9}, {"label": "b", "probability": 0.1}]]
    page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"items": [job], "next_cursor": None}))
    page.route("**/v1/models?*", lambda route: route.fulfill(json={"items": [model], "next_cursor": None}))
    page.route(f"**/v1/models/{name}", lambda route: route.fulfill(json=model))
    page.route("**/card", lambda route: route.fulfill(json=card))
    page.route("**/predict", lambda route: route.fulfill(json={"top": top}))
    for width in (1280, 640, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(str(neurona.http.base_url))
        page.get_by_role("button", name=f"Open {name}", exact=True).click()
        page.click("#predict button")
        expect(page.locator("#answer")).to_contain_text(label)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(
            "[...document.querySelectorAll('.wide')].every(e => e.scrollWidth === e.clientWidth)"
        )


def test_who_cancels_a_job_by_keyboard_stays_at_it(page, neurona):
    job = {
        **{"id": "job_0", "kind": "train", "model": "iris", "version": 1, "state": "running"},
        **{"progress": {"fraction": 0.5}, "metrics": None},
    }
    jobs = [job]

    def cancel(route: Route) -> None:
        jobs[:] = [{**job, "id": "job_1", "version": 2}, {**job, "state": "cancelled"}]
        route.fulfill(status=202, json=jobs[1])

    page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"items": jobs, "next_cursor": None}))
    page.route("**/v1/jobs/job_0/cancel", cancel)
    page.goto(str(neurona.http.base_url))
    page.get_by_role("button", name="Cancel iris@1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#jobs .cancelled")).to_have_count(1)
    expect(page.get_by_role("button", name="Watch iris@1")).to_be_focused()


def test_who_has_no_key_is_told_where_to_put_one(page, neurona):
    refused = {"detail": "Who asks is not known: this needs a key: send Authorization: Bearer KEY."}
    page.route("**/v1/models?*", lambda route: route.fulfill(status=401, json=refused), times=1)
    page.clock.install()
    page.goto(str(neurona.http.base_url))
    expect(page.locator("#stale")).to_have_text(
        "This server asks for a key: put one into the field Key above."
    )
    expect(page.locator("th:visible")).to_have_count(0)
    page.fill("#key", "a-key-that-is-known")
    page.locator("#key").press("Enter")
    expect(page.locator("#stale")).to_be_hidden()


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
