"""The report in a browser, opened from disk: tables, models, and the images of a subject."""

import shutil

import pytest

from report_studies import SETS, Made, image, lesion_summary, uncertainty_summary
from webgl_pages import BROWSER_OPTIONS, CHROMIUM, NO_WEBGL, SCRIPT, SLOW, is_of_the_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome here")


class Reader:
    """A report that is open, and all it complains of and asks for."""

    def __init__(self, context, path):
        self.page, self.path = context.new_page(), path
        self.page.set_default_timeout(120_000)  # a busy machine is no fault of the page
        self.complaints, self.requests = [], []
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def hear(self, message):
        if SLOW not in message.text:
            self.complaints.append(message.text)

    def shown(self, label, model="p2p"):
        """Wait until the images of a subject are on the screen."""
        self.page.wait_for_selector(f'#viewer[data-shown="{label} {model}"]')

    def values(self):
        """What the panels say of the place of the crosshair, by their names."""
        return self.page.evaluate(
            "Object.fromEntries(panels.map(({ name, box }) =>"
            " [name, box.querySelector('output').textContent]))"
        )

    def column(self, table, k):
        """The texts of a column that are to be seen, in their order."""
        return self.page.evaluate(
            """([id, k]) => [...document.querySelectorAll(`${id} tbody tr`)].map(
              (row) => row.cells[k].innerText.trim())""",
            [table, k],
        )


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    made = Made(tmp_path_factory.mktemp("report")).subjects().evaluation()
    made.table(uncertainty_summary(), "evaluation", "p2p", "uncertainty_summary.tsv")
    made.record(lesion_summary(0.0), "evaluation", "p2p", "lesion_summary.json")
    return made.build()


@pytest.fixture
def reader(browser, report):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(SCRIPT)
    reader = Reader(context, report)
    yield reader
    assert reader.complaints == []
    folder = report.with_suffix("").as_uri()
    for url in reader.requests:
        told = is_of_the_page(url) or url.startswith((report.as_uri(), folder))
        assert told, "the network was asked"
    context.close()


def test_the_first_screen_says_what_was_found_and_what_it_is_not_for(reader):
    for text in ("P2P is closer to PET than SPECT is", "For research, not for diagnosis."):
        box = reader.page.locator(f"text={text}").first.bounding_box()
        assert box["y"] + box["height"] < 800


def test_no_image_is_loaded_before_a_subject_is_opened(reader, report):
    assert [url for url in reader.requests if not url.startswith("data:")] == [report.as_uri()]


def test_a_link_leads_to_its_section_past_figures_that_are_not_loaded_yet(reader):
    """Each figure keeps its place free, so that nothing moves when it is loaded on the way."""
    sizes = reader.page.evaluate(
        "[...document.querySelectorAll('#evidence figure img')].map("
        "(img) => [img.getAttribute('width'), img.getAttribute('height')].map(Number))"
    )
    assert sizes
    assert {round(100 * h / w) for w, h in sizes} == {75}, sizes  # as the figures of this report
    reader.page.click("nav a >> text=Subjects")
    reader.page.wait_for_timeout(3000)  # it gets there smoothly
    top = reader.page.evaluate("document.getElementById('subjects').getBoundingClientRect().top")
    assert 0 <= top < 120


def test_a_heading_sorts_its_table_both_ways(reader):
    assert reader.column("#subject-table", 0) == ["003", "004", "005", "002", "001"]
    head = reader.page.locator("#subject-table th button", has_text="Gain")
    head.click()
    assert reader.column("#subject-table", 4) == ["0.050", "0.080", "0.090", "0.100", "0.120"]
    head.click()
    assert reader.column("#subject-table", 0) == ["005", "003", "001", "002", "004"]
    reader.page.click("#subject-table th button >> text=Subject")
    assert reader.column("#subject-table", 0) == sorted(SETS)


def test_rows_that_are_not_the_result_are_shown_on_request(reader):
    rows = reader.page.locator("#methods .table").first.locator("tr.other")
    assert not rows.first.is_visible()
    reader.page.locator("#methods .sets input").first.check()
    assert rows.first.is_visible()


def test_another_model_has_numbers_of_its_own(reader):
    assert reader.column("#subject-table", 4)[0] == "0.100"
    reader.page.click("text=unet >> nth=0")
    assert reader.column("#subject-table", 4)[0] == "0.050"
    assert reader.page.locator("h1:visible").count() == 1
    assert "deficits" not in reader.page.locator("h1:visible").text_content()


def test_the_values_under_the_crosshair_are_those_of_the_images(reader):
    reader.page.click("#subject-table a >> text=004")
    reader.shown("004")
    assert reader.page.evaluate("[...geometry.size]") == [20, 24, 18]  # the whole study grid
    for place in ([14, 18, 12], [8, 10, 8], [1, 1, 1]):
        reader.page.evaluate(f"shared.place = {place}; redraw()")
        spect, p2p, pet = (image(name, 3)[tuple(place)] for name in ("SPECT", "P2P", "PET"))
        values = reader.values()
        for name, value in (("SPECT", spect), ("P2P", p2p), ("PET", pet)):
            assert float(values[name]) == pytest.approx(value, abs=0.7)
        difference = float(values["P2P − PET"].replace("−", "-"))
        assert difference == pytest.approx(p2p - pet, abs=0.9)
        assert float(values["Uncertainty of P2P (SD)"]) == pytest.approx(
            4 if spect > 0 else 0, abs=0.1
        )
    # Voxel (1, 1, 1) lies at (−18, −28, −8) mm of the affine.
    assert reader.page.locator("#place").inner_text().split() == [
        "L", "18.0", "P", "28.0", "I", "8.0", "mm",
    ]  # fmt: skip


def test_the_crosshair_goes_where_the_mouse_points_in_all_panels(reader):
    reader.page.click("#subject-table a >> text=003")
    reader.shown("003")
    cell, box = reader.page.evaluate(
        """() => { const box = panels[1].panel.canvas.getBoundingClientRect();
          const cells = cellsOf(panels[1].panel);
          return [cells.find((one) => one.name === "axial"), [box.left, box.top]]; }"""
    )
    before = reader.page.evaluate("panels.map(({ panel }) => pixelsOf(panel).canvas.toDataURL())")
    # A quarter from the left and from the top is the patient's right, in front: the bright cube.
    reader.page.mouse.click(
        box[0] + cell["x"] + cell["w"] * 0.25, box[1] + cell["y"] + cell["h"] * 0.25
    )
    assert reader.page.evaluate("shared.place.slice(0, 2)") == pytest.approx([15, 18], abs=1)
    after = reader.page.evaluate("panels.map(({ panel }) => pixelsOf(panel).canvas.toDataURL())")
    assert len(before) == 6
    assert all(a != b for a, b in zip(before, after, strict=True))
    z = reader.page.evaluate("shared.place[2]")
    reader.page.keyboard.press("ArrowUp")
    assert reader.page.evaluate("shared.place[2]") == z + 1
    reader.page.mouse.wheel(0, 100)
    reader.page.wait_for_timeout(300)
    assert reader.page.evaluate("shared.place[2]") == z


def test_no_difference_is_white_and_windows_change_what_is_seen(reader):
    reader.page.click("#subject-table a >> text=003")
    reader.shown("003")
    reader.page.keyboard.press("x")
    reader.page.evaluate("shared.place = [14, 18, 12]; redraw()")
    pixel = """(name) => { const { panel } = panels.find((one) => one.name === name);
      const cell = cellsOf(panel).find((one) => one.name === "axial");
      const x = cell.x + cell.w * (1 - 14.5 / 20), y = cell.y + cell.h * (1 - 18.5 / 24);
      return [...pixelsOf(panel).getImageData(x, y, 1, 1).data].slice(0, 3); }"""
    # The cube is 70 in all images.
    assert reader.page.evaluate(pixel, "P2P − PET") == pytest.approx([247] * 3, abs=3)
    reader.page.select_option("#colours", "Grey")
    reader.page.locator("#high").fill("70")
    assert reader.page.evaluate(pixel, "PET") == pytest.approx([255] * 3, abs=2)
    reader.page.locator("#low").fill("60")
    reader.page.click("#reset")
    assert reader.page.evaluate(pixel, "PET") == pytest.approx([255 * 70 / 80] * 3, abs=2)


def test_subjects_are_gone_through_in_the_order_of_the_table(reader):
    reader.page.click("#subject-table a >> text=003")
    reader.shown("003")
    reader.page.keyboard.press("ArrowRight")
    reader.shown("004")
    reader.page.click("text=unet >> nth=0")
    reader.shown("004", "unet")
    assert "Uncertainty of P2P (SD)" not in reader.values()  # one network has none
    reader.page.click("#previous")
    reader.shown("003", "unet")
    reader.page.keyboard.press("Escape")
    reader.page.wait_for_selector("#viewer", state="hidden")
    assert reader.page.locator("#subject-table").is_visible()
    reader.page.go_back()
    reader.shown("003", "unet")


def test_a_panel_can_be_enlarged(reader):
    reader.page.click("#subject-table a >> text=005")
    reader.shown("005")
    small = reader.page.locator(".panel").nth(2).bounding_box()["width"]
    reader.page.locator(".panel button").nth(2).click()
    assert reader.page.locator(".panel").nth(2).bounding_box()["width"] > 2.5 * small


def test_a_page_without_its_folder_says_what_is_missing(browser, report, tmp_path):
    shutil.copy(report, tmp_path / "report.html")
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{(tmp_path / 'report.html').as_uri()}#subject=003")
    page.wait_for_selector("#trouble:has-text('keep the folder beside the page')")
    context.close()


def test_without_webgl_a_subject_has_its_numbers_and_says_why_no_images(browser, report):
    context = browser.new_context()
    context.add_init_script(NO_WEBGL)
    page = context.new_page()
    page.goto(f"{report.as_uri()}#subject=003")
    page.wait_for_selector("#trouble:has-text('WebGL 2 is off')")
    assert page.locator("#details table").count() > 0
    context.close()


def test_nothing_is_wider_than_the_screen(browser, report):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    for where in ("", "#subject=003"):
        page.goto(report.as_uri() + where)
        if where:
            page.reload()
            page.wait_for_selector('#viewer[data-shown="003 p2p"]')
        for width in (390, 820, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, where
    context.close()


@pytest.mark.parametrize("width", [1024, 1200, 1280])
def test_no_number_of_the_first_screen_is_cut_off(reader, width):
    reader.page.set_viewport_size({"width": width, "height": 800})
    room = reader.page.evaluate(
        """[...document.querySelectorAll('.keys b')]
            .filter((number) => number.offsetParent).map((number) => {
          const text = document.createRange();
          text.selectNodeContents(number);
          const cell = number.parentElement.getBoundingClientRect();
          return cell.right - text.getBoundingClientRect().right;
        })"""
    )
    assert len(room) >= 4
    assert min(room) > 0
    table = reader.page.locator(".beside .scroll").first
    assert table.evaluate("(table) => table.scrollWidth - table.clientWidth") == 0
