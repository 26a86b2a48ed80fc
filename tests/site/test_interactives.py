"""Each interactive in a real browser: used by pointer, keys and text, and its numbers compared."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from trial import ROOT, measure, write_page

from nndl_jax.calculations.bumps import score
from nndl_jax.data.mnist import load_digits, load_mnist
from nndl_jax.documents import Construction, NumberClaim
from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import variants
from pipeline.store.recordings import as_history, read_runs

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt-get install chromium"
)
STROKES = {
    7: [[(20, 20), (80, 20), (45, 90)]],
    3: [[(25, 25), (40, 15), (60, 15), (70, 30), (60, 45), (45, 50), (74, 70), (62, 88), (24, 80)]],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, request) -> Path:
    """A page of MNIST where there is a copy, else of scikit-learn's digits."""
    try:
        dataset = load_mnist(request.getfixturevalue("mnist_folder"))
    except pytest.skip.Exception:
        dataset = load_digits()
    folder = tmp_path_factory.mktemp("site")
    with contextlib.chdir(folder):
        write_page(folder, dataset)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(folder, browser):
    """The page, wide, without motion; what goes wrong on it fails the last test."""
    context = browser.new_context(
        viewport={"width": 1200, "height": 900}, reduced_motion="reduce", has_touch=True
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(folder.as_uri())
            or request.url.startswith("data:")
            or page.problems.append(request.url)
        ),
    )
    page.goto((folder / "index.html").as_uri())
    return page


class Figure:
    """An interactive on the page."""

    def __init__(self, page, name: str) -> None:
        self.page, self.root = page, page.locator(f"#{name}")
        self.root.scroll_into_view_if_needed()

    def number(self, name: str) -> float:
        """A number that it says."""
        return float(self.sentence(name))

    def sentence(self, name: str) -> str:
        """What it says, in full."""
        return self.root.locator(f'[data-name="{name}"]').get_attribute("data-value")

    def set(self, name: str, value: float) -> None:
        """Move a slider as a user does, whose browser then tells the page."""
        self.root.locator(f'input[name="{name}"]').evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
            str(value),
        )

    def choose(self, name: str, title: str) -> None:
        """Take one of a choice, by its whole title."""
        self.root.locator(f'select[name="{name}"]').select_option(label=title)

    def options(self, name: str) -> list[str]:
        """All titles of a choice."""
        return self.root.locator(f'select[name="{name}"] option').all_text_contents()

    def press(self, label: str) -> None:
        """Press a button."""
        self.root.get_by_role("button", name=label, exact=True).click()

    def drag(self, locator, across: float, down: float) -> None:
        """Drag something by so many pixels."""
        box = locator.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + across, y + down, steps=4)
        self.page.mouse.up()

    def draw(self, digit: int) -> None:
        """Draw a digit with the mouse."""
        pad = self.root.locator(".pad")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        for stroke in STROKES[digit]:
            for index, (x, y) in enumerate(stroke):
                place = box["x"] + x / 100 * box["width"], box["y"] + y / 100 * box["height"]
                self.page.mouse.move(*place, steps=4 if index else 1)
                if index == 0:
                    self.page.mouse.down()
            self.page.mouse.up()


@pytest.mark.parametrize("digit", STROKES)
def test_a_digit_that_is_drawn_is_read(page, mnist_folder, digit):
    figure = Figure(page, "digit")
    figure.press("Clear")
    figure.draw(digit)
    stage = figure.root.locator(".stage")
    playwright.expect(stage).to_have_attribute("data-digit", str(digit))
    outputs = figure.root.locator(".bars .value").evaluate_all(
        "all => all.map(e => +e.dataset.value)"
    )
    assert int(np.argmax(outputs)) == digit
    playwright.expect(figure.root.locator(".near canvas")).to_have_count(8)
    figure.choose("network", figure.options("network")[1])
    playwright.expect(stage).to_have_attribute("data-digit", str(digit))


def test_a_digit_can_be_drawn_with_the_keyboard(page):
    figure = Figure(page, "digit")
    figure.press("Clear")
    playwright.expect(figure.root.locator(".stage")).to_have_attribute("data-digit", "")
    figure.root.locator(".pad").focus()
    for key in ["ArrowUp"] * 8 + ["Space"] + ["ArrowDown"] * 16:
        page.keyboard.press(key)
    playwright.expect(figure.root.locator(".stage")).not_to_have_attribute("data-digit", "")
    page.keyboard.press("Delete")
    playwright.expect(figure.root.locator(".stage")).to_have_attribute("data-digit", "")


def test_the_half_adder_adds(page):
    figure = Figure(page, "perceptrons")
    for first, second in ((1, 0), (1, 1), (0, 1)):
        for name, bit in (("x1", first), ("x2", second)):
            button = figure.root.locator(f'[data-input="{name}"]')
            if button.get_attribute("aria-pressed") != str(bool(bit)).lower():
                button.click()
        row = figure.root.locator("tr.chosen .output").evaluate_all(
            "all => all.map(e => +e.dataset.value)"
        )
        assert row == [first ^ second, first & second]


def test_small_changes_of_a_neuron_are_as_measured(page):
    figure = Figure(page, "sigmoid")
    for exponent in (0, -1, -2):
        figure.set("factor", exponent)
        assert figure.number("ratio") == pytest.approx(figure.number("measured"), rel=1e-9)
    figure.set("w1", 2)
    assert figure.sentence("measured").startswith("–")


def test_the_ball_rolls_as_measured_and_can_be_put_elsewhere(page):
    figure = Figure(page, "valley")
    for title in figure.options("variant"):
        figure.choose("variant", title)
        assert figure.number("last") == pytest.approx(figure.number("measured"), rel=1e-9)
    ball = figure.root.get_by_role("slider", name="Start of the ball")
    before = figure.number("first")
    figure.drag(ball, 60, 40)
    assert figure.number("first") < before / 2
    ball.focus()
    middle = figure.number("first")
    page.keyboard.press("Shift+ArrowLeft")
    assert figure.number("first") > middle


def test_a_weight_that_is_dragged_changes_the_cost_and_gradients_stay_right(page):
    figure = Figure(page, "backpropagation")
    chip, before = figure.root.locator('[data-weight="1-1-1"]'), figure.number("cost")
    figure.drag(chip, 0, -60)
    assert float(chip.get_attribute("aria-valuenow")) > 1
    assert figure.number("cost") != before
    chip.focus()
    page.keyboard.press("ArrowDown")
    for step in ("BP1", "BP2", "BP3", "BP4"):
        figure.press(step)
        assert figure.root.locator(".sums li").count() > 1
        assert figure.number("largest") < 1e-9
    figure.press("Update")
    before = figure.number("cost")
    figure.press("Take a step")
    assert figure.number("cost") < before


def test_the_neuron_ends_where_the_book_says(page):
    figure = Figure(page, "neuron")
    document = load_spec("ch3-neuron")
    ends = [c for c in document.claims if isinstance(c, NumberClaim) and c.epoch == "last"]
    all_variants = variants(document)
    for variant, title in zip(all_variants, figure.options("training"), strict=True):
        figure.choose("training", title)
        for claim in ends:
            if (
                claim.metric == "train_output"
                and claim.variant.items()
                == {
                    name: value for name, value in variant.values.items() if name in claim.variant
                }.items()
            ):
                assert figure.number("output") == pytest.approx(claim.value, abs=claim.tolerance)
                break
    figure.set("bias", 0)
    assert figure.number("output") != pytest.approx(claim.value, abs=claim.tolerance)


def test_softmax_is_as_in_the_document_and_moves(page):
    figure = Figure(page, "softmax")
    figure.press("As in the document")
    claims = [claim for claim in load_spec("ch3-softmax").claims if isinstance(claim, NumberClaim)]
    first = [c for c in claims if c.variant in (None, {"quantity.scale": 1.0})]
    for claim in first:
        place = claim.metric.split(".")[1]
        assert figure.number(f"a{place}") == pytest.approx(claim.value, abs=claim.tolerance or 1e-9)
    before = figure.number("a1")
    figure.root.locator('input[name="z2"]').focus()
    page.keyboard.press("End")
    assert figure.number("a1") < before
    assert figure.number("sum") == pytest.approx(1)


def test_overfitting_shows_what_was_recorded_of_each_epoch(page):
    figure = Figure(page, "overfitting")
    figure.set("epoch", 399)
    last = figure.number("test_cost")
    figure.set("epoch", 14)
    assert figure.number("test_cost") < last
    assert figure.number("gap") == pytest.approx(
        figure.number("train_accuracy") - figure.number("test_accuracy")
    )


def test_places_of_the_hunt_can_be_chosen(page):
    figure = Figure(page, "hunt")
    places = figure.root.locator(".try")
    rates = set()
    for index in range(places.count()):
        figure.root.locator(f'.try[data-index="{index}"]').focus()
        page.keyboard.press("Enter")
        rates.add(figure.number("rate"))
        assert figure.number("best") >= figure.number("last")
    assert rates == {0.025, 0.25, 2.5}
    box = places.first.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert places.first.get_attribute("aria-pressed") == "true"


def test_a_step_stands_where_it_is_put(page):
    figure = Figure(page, "step")
    figure.choose("setting", "sigmoid, w = 999, b = -400")
    assert figure.number("position") == pytest.approx(400 / 999)
    figure.root.get_by_role("slider", name="Where the step stands").focus()
    page.keyboard.press("ArrowRight")
    assert figure.number("position") == pytest.approx(400 / 999 + 0.01)
    figure.set("weight", 50)
    assert figure.number("slope") == pytest.approx(50 / 4, rel=1e-4)


def outputs_of(name: str, variant: int = 0) -> list[float]:
    """What the document's network gives at its places, by its own formulas."""
    document = load_spec(name)
    history = measure(document)
    names = [metric for metric in document.metrics() if metric.startswith("value.")]
    return [history.metrics[metric][variant, 0] for metric in names]


def test_bumps_are_as_measured_and_can_be_moved(page):
    figure = Figure(page, "bumps")
    for title, name in (("Two steps", "ch4-two-steps"), ("Two bumps", "ch4-double-bump")):
        figure.choose("setting", title)
        for place, value in enumerate(outputs_of(name), 1):
            assert figure.number(f"value{place}") == pytest.approx(value, abs=1e-9)
    figure.set("height1", 0.5)
    assert figure.number("value2") == pytest.approx(0.5, abs=1e-6)


def test_the_challenge_is_scored_as_the_book_scores_it(page):
    figure = Figure(page, "design")
    document = load_spec("ch4-design")
    for variant, title in zip(variants(document), figure.options("setting")[1:4], strict=True):
        assert isinstance(variant.spec, Construction)
        figure.choose("setting", title)
        assert figure.number("score") == pytest.approx(score(variant.spec.network), abs=1e-9)
        assert figure.number("score") == pytest.approx(figure.number("measured"), abs=1e-9)
    assert figure.sentence("verdict") in ("met: at most 0.40", "not met: 0.40 is asked for")
    figure.choose("setting", "all zero")
    worst = figure.number("score")
    figure.drag(figure.root.get_by_role("slider", name="height of bump 1"), 0, 60)
    assert figure.number("score") < worst
    figure.root.get_by_role("slider", name="height of bump 2").focus()
    before = figure.number("score")
    page.keyboard.press("ArrowDown")
    assert figure.number("score") < before


def test_any_function_is_approximated_and_a_faulty_formula_is_refused(page):
    figure = Figure(page, "approximation")
    for title in figure.options("setting"):
        figure.choose("setting", title)
        if "x**2 + 0.3*sin" in figure.root.locator("input[type=text]").input_value():
            continue
        measured = figure.number("measured")
        assert figure.number("meanError") == pytest.approx(measured, rel=1e-6), title
    figure.choose("setting", figure.options("setting")[0])
    formula = figure.root.locator("input[type=text]")
    formula.fill("0.5 + 0.4*sin(2*pi*x)")
    coarse = figure.number("meanError")
    figure.set("count", 50)
    assert figure.number("meanError") < coarse / 3
    figure.set("overlaps", 4)
    assert figure.number("neurons") > 2 * 50 * 4
    formula.fill("0.5 + y")
    assert "'y' is not known at character 7" in figure.root.locator(".error").text_content()
    formula.fill("2 + x")
    assert "between 0 and 1" in figure.root.locator(".error").text_content()


@pytest.mark.parametrize("name", ["ridges", "towers"])
def test_surfaces_are_as_measured_and_turn(page, name):
    figure = Figure(page, name)
    for title in figure.options("setting"):
        figure.choose("setting", title)
        measured = figure.number("measured")
        assert figure.number("value") == pytest.approx(measured, abs=1e-6), title
    surface = figure.root.locator(".surface")
    surface.focus()
    page.keyboard.press("ArrowLeft")
    turned = surface.get_attribute("data-turn")
    figure.drag(surface, 80, 0)
    assert surface.get_attribute("data-turn") != turned


def test_a_function_of_two_inputs_can_be_written(page):
    figure = Figure(page, "towers")
    figure.choose("setting", figure.options("setting")[-1])
    figure.root.locator("input[type=text]").fill("0.5*x1 + 0.25*x2")
    figure.set("at1", 0.5)
    figure.set("at2", 0.5)
    assert figure.number("value") == pytest.approx(0.375, abs=0.01)


def test_gradients_vanish_with_depth_and_are_shown_as_measured(page):
    figure = Figure(page, "gradients")
    norm = figure.root.locator('[data-norm="1"]')
    playwright.expect(norm).to_be_visible()
    shallow = []
    for depth in (1, 6):
        figure.set("depth", depth)
        playwright.expect(figure.root.locator("[data-norm]")).to_have_count(depth)
        shallow.append(float(norm.get_attribute("data-value")))
    assert shallow[1] < shallow[0] / 20
    history = as_history(read_runs(ROOT / "recorded/ch5-gradients"))
    figure.set("epoch", 100)
    runs = [index for index, run in enumerate(history.runs) if run.variant == "repeat=4"]
    mean = history.metrics["gradient_norm.1"][runs, 100].mean()
    assert figure.number("norm1") == pytest.approx(mean, rel=1e-5)


def test_the_chain_explodes_as_measured(page):
    figure = Figure(page, "chain")
    assert figure.number("third") == figure.number("measured") == 625
    figure.set("w2", 1)
    assert figure.number("third") == pytest.approx(625 / 100)


def test_the_way_is_as_narrow_as_measured(page):
    figure = Figure(page, "width")
    assert figure.number("width") == pytest.approx(figure.number("measured"))
    figure.root.get_by_role("slider", name="weight", exact=True).last.focus()
    page.keyboard.press("Shift+ArrowRight")
    assert figure.number("width") < figure.number("largest")
    figure.set("weight", 3.5)
    assert figure.number("width") == 0


def test_a_drawing_is_filtered(page):
    figure = Figure(page, "filters")
    figure.draw(3)
    playwright.expect(figure.root.locator(".filter")).to_have_count(20)
    figure.root.locator(".filter").nth(4).click()
    figure.root.locator("canvas.big").first.focus()
    page.keyboard.press("ArrowDown")
    weighted, activation = figure.number("weighted"), figure.number("activation")
    assert activation == pytest.approx(1 / (1 + np.exp(-weighted)), rel=1e-6)
    assert figure.number("pooled") >= activation


def test_the_books_errors_stand_beside_ours(page, mnist_folder):
    figure = Figure(page, "vote")
    document = load_spec("ch6-ensemble")
    assert figure.number("count") == len(document.known_errors) == 33
    first = document.known_errors[0]
    figure.root.locator(f'[data-image="{first.image}"]').click()
    assert figure.number("book") == first.output
    playwright.expect(figure.root.locator(".votes .vote")).to_have_count(3)
    figure.choose("group", "wrong with both")
    assert 0 < figure.number("count") < 33


def test_all_that_can_be_used_has_a_name_and_fits_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
             "button, input, select, [tabindex='0'], canvas[role=img], svg[role]")]
           .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim()
             || (e.labels && e.labels.length) || e.getAttribute("aria-hidden")))
           .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    small = page.evaluate(
        """() => [...document.querySelectorAll(".interactive .stage *")]
           .filter((e) => e.childNodes.length && [...e.childNodes].some((n) =>
             n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 16)
           .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert small == []
    page.set_viewport_size({"width": 1200, "height": 900})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, scheme):
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="needs axe-core-python")
    page.emulate_media(color_scheme=scheme)
    violations = axe.Axe().run(page)["violations"]
    serious = [
        violation for violation in violations if violation["impact"] in ("serious", "critical")
    ]
    assert [(violation["id"], violation["nodes"][0]["html"][:160]) for violation in serious] == []


def test_nothing_was_complained_of_or_asked_for_elsewhere(page):
    assert page.problems == []
