"""A whole reading session in a browser, by keyboard and by mouse, against what is exported."""

import csv

import pytest

from reading_sessions import SCALE, SHAPE, make_session
from spect2pet.readers import readers, readings
from webgl_pages import BROWSER_OPTIONS, CHROMIUM, NO_WEBGL, SCRIPT, SLOW, is_of_the_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome here")


class Reader:
    """A page that a reader has open, and all it complains of and asks the network for."""

    def __init__(self, context, path, cases):
        self.page, self.cases = context.new_page(), cases
        self.page.set_default_timeout(120_000)  # a busy machine is no fault of the page
        self.complaints, self.requests = [], []
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def hear(self, message):
        if SLOW not in message.text:
            self.complaints.append(message.text)

    def start(self, initials):
        self.page.fill("#initials", initials)
        self.page.keyboard.press("Enter")
        self.shown(0)

    def shown(self, k):
        """Wait until the images of the case at one place are on the screen."""
        self.page.wait_for_selector(f'#reading[data-shown="{self.cases[k]}"]')

    def until(self, expression):
        """Wait until an expression is true; the page's policy forbids Playwright's own way."""
        for _ in range(600):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never came true: {expression}")

    def next(self):
        """Go on by keyboard."""
        at = self.page.evaluate("progress.at")
        self.page.keyboard.press("ArrowRight")
        self.shown(at + 1)

    def export(self, folder, button="#export"):
        """The rows of the exported file, and its path."""
        with self.page.expect_download() as waiting:
            self.page.click(button)
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream)), path

    def brightest(self, plane):
        """Where the brightest pixels of a plane lie: shares from the left and from the top."""
        return self.page.evaluate(
            """(name) => {
              const cell = cellsOf(panels[0]).find((one) => one.name === name);
              const data = pixelsOf(panels[0]).getImageData(
                Math.ceil(cell.x), Math.ceil(cell.y), Math.floor(cell.w), Math.floor(cell.h));
              let [top, x, y, n] = [0, 0, 0, 0];
              for (let p = 0; p < data.data.length; p += 4) top = Math.max(top, data.data[p]);
              for (let p = 0; p < data.data.length; p += 4) {
                if (data.data[p] < top - 2) continue;
                x += (p / 4) % data.width; y += Math.floor(p / 4 / data.width); n += 1;
              }
              return [x / n / data.width, y / n / data.height];
            }""",
            plane,
        )


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    return folder, make_session(folder)


@pytest.fixture
def reader(browser, made):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.add_init_script(SCRIPT)
    reader = Reader(context, made[0] / "session.html", list(made[1].key["item"]))
    yield reader
    assert reader.complaints == []
    asked = {url for url in reader.requests if not is_of_the_page(url)}
    assert asked == {(made[0] / "session.html").as_uri()}, "the network was asked"
    context.close()


def key_of(session, part):
    return session.key[session.key["part"] == part].to_dict("records")


def test_a_whole_session_is_exported_as_it_was_answered(reader, made, tmp_path):
    folder, session = made
    page, expected = reader.page, {}
    reader.start("ab")
    blind, pairs, opened = (key_of(session, part) for part in readers.PARTS)
    for k, row in enumerate(blind):
        grade = 1 + k % len(SCALE)
        if k % 2:
            page.click(f"#choices button:nth-child({grade})")
        else:
            page.keyboard.press(str(grade))
        expected[row["item"]] = str(grade)
        reader.next()
    for k, row in enumerate(pairs):
        if k % 2:
            page.keyboard.press("2")
        else:
            page.click("text=Left image")
        expected[row["item"]] = ["left", "right"][k % 2]
        if k + 1 < len(pairs):
            page.click("#next")
            reader.shown(len(blind) + k + 1)
    page.keyboard.press("ArrowRight")
    page.fill("#code", "WRONG-CODE")
    page.click("text='Open'")
    page.wait_for_selector("text=This is not the code of this session.")
    page.fill("#code", row_code(session).lower())
    page.keyboard.press("Enter")
    first = len(blind) + len(pairs)
    for k, row in enumerate(opened):
        reader.shown(first + k)
        assert page.locator(".panel h3").all_text_contents() == [row["image"], "PET"]
        page.keyboard.press("c")
        page.keyboard.type(f'say "{k}", more')
        page.keyboard.press("Escape")
        page.keyboard.press("5")
        expected[row["item"]] = "5"
        page.keyboard.press("ArrowRight")
    page.wait_for_selector("#end-missing:has-text('Every case is answered.')")
    rows, path = reader.export(tmp_path, "#end-export")
    assert path.name == f"readings_{session.name}_AB.csv"
    assert {row["item"]: row["value"] for row in rows} == expected
    assert [row["comment"] for row in rows[first:]] == [
        f'say "{k}", more' for k in range(len(opened))
    ]
    found = readings.read_readings(
        [path], readers.read_key(folder / "key.tsv"), readers.commitment(folder / "key.tsv")
    )
    assert found["score"].notna().sum() == len(blind) + len(opened)
    assert found["choice"].notna().sum() == len(pairs)


def row_code(session):
    """The code as the organiser reads it in the key."""
    return session.key["open_code"].iloc[0]


def test_opening_closes_the_blind_answers(reader, made, tmp_path):
    session = made[1]
    reader.start("CD")
    reader.page.keyboard.press("2")
    for _ in range(len(key_of(session, "blind")) + len(key_of(session, "real")) - 1):
        reader.next()
    reader.page.keyboard.press("ArrowRight")
    reader.page.fill("#code", row_code(session))
    reader.page.keyboard.press("Enter")
    reader.shown(len(session.key) - len(key_of(session, "open")))
    reader.page.click("#strip button:nth-child(1)")
    reader.shown(0)
    reader.page.keyboard.press("5")
    assert reader.page.locator("#choices button").first.is_disabled()
    assert reader.page.locator("#comment").is_disabled()
    rows, _ = reader.export(tmp_path)
    assert rows[0]["value"] == "2"
    assert len(rows) == len(session.key)


def test_a_closed_page_goes_on_where_it_was(reader, made):
    reader.start("EF")
    reader.page.keyboard.press("4")
    reader.next()
    reader.page.keyboard.press("3")
    reader.page.fill("#comment", "sharp")
    reader.page.reload()
    reader.page.click("text=Go on as EF")
    reader.shown(1)
    assert reader.page.locator("#choices [aria-pressed=true] b").text_content() == "3"
    assert reader.page.input_value("#comment") == "sharp"
    reader.page.keyboard.press("Escape")
    reader.page.click("#previous")
    reader.shown(0)
    assert reader.page.locator("#choices [aria-pressed=true] b").text_content() == "4"


def test_readers_of_one_browser_do_not_mix(reader):
    reader.start("AA")
    reader.page.keyboard.press("4")
    reader.page.reload()
    reader.start("BB")
    assert reader.page.locator("#choices [aria-pressed=true]").count() == 0
    reader.page.reload()
    assert reader.page.locator("#known button").all_text_contents() == [
        "Go on as AA", "Go on as BB",
    ]  # fmt: skip


def test_the_right_of_the_patient_is_on_the_left_and_front_and_top_are_up(reader):
    """A bright cube lies on the patient's right, in front and above."""
    reader.start("GH")
    reader.page.keyboard.press("x")
    # The middle of the cube, so that every plane meets it.
    reader.page.evaluate("view.place = [15, 18, 13]; redraw()")
    x, y = reader.brightest("axial")
    assert (x, y) == pytest.approx((1 - 15 / SHAPE[0], 1 - 18.5 / SHAPE[1]), abs=0.02)
    x, y = reader.brightest("coronal")
    assert (x, y) == pytest.approx((1 - 15 / SHAPE[0], 1 - 13 / SHAPE[2]), abs=0.02)
    x, y = reader.brightest("sagittal")
    assert (x, y) == pytest.approx((1 - 18.5 / SHAPE[1], 1 - 13 / SHAPE[2]), abs=0.02)


def test_the_crosshair_goes_where_the_mouse_points_in_both_images(reader, made):
    reader.start("IJ")
    reader.page.click(f"#strip button:nth-of-type({len(key_of(made[1], 'blind')) + 1})")
    reader.shown(len(key_of(made[1], "blind")))
    cell, box = reader.page.evaluate(
        """() => { const box = panels[1].canvas.getBoundingClientRect();
          return [cellsOf(panels[1]).find((one) => one.name === "axial"), [box.left, box.top]]; }"""
    )
    x, y = box[0] + cell["x"] + cell["w"] * 0.25, box[1] + cell["y"] + cell["h"] * 0.25
    before = reader.page.evaluate("panels.map((panel) => pixelsOf(panel).canvas.toDataURL())")
    reader.page.mouse.move(x + 30, y + 30)
    reader.page.mouse.down()
    reader.page.mouse.move(x, y)
    reader.page.mouse.up()
    place = reader.page.evaluate("view.place")
    assert place[0] == pytest.approx(0.75 * SHAPE[0], abs=1)
    assert place[1] == pytest.approx(0.75 * SHAPE[1], abs=1)
    after = reader.page.evaluate("panels.map((panel) => pixelsOf(panel).canvas.toDataURL())")
    assert all(a != b for a, b in zip(before, after, strict=True))
    reader.page.mouse.wheel(0, -100)
    reader.until(f"view.place[2] === {place[2] + 1}")
    reader.page.keyboard.press("ArrowDown")
    assert reader.page.evaluate("view.place[2]") == place[2]


def test_window_and_colours_change_what_is_seen(reader):
    reader.start("KL")
    reader.page.keyboard.press("x")
    reader.page.evaluate("view.place = [8, 10, 8]; redraw()")
    middle = """() => { const cell = cellsOf(panels[0]).find((one) => one.name === "axial");
      return [...pixelsOf(panels[0]).getImageData(
        cell.x + cell.w / 2, cell.y + cell.h / 2, 1, 1).data].slice(0, 3); }"""
    value = reader.page.evaluate(
        "panels[0].volume.voxels[8 + 20 * (10 + 24 * 8)] * panels[0].volume.slope"
    )
    reader.page.select_option("#colours", "Grey")
    reader.page.locator("#high").fill("60")
    assert reader.page.evaluate(middle) == pytest.approx([255 * value / 60] * 3, abs=2)
    reader.page.locator("#low").fill("10")
    assert reader.page.evaluate(middle) == pytest.approx([255 * (value - 10) / 50] * 3, abs=2)
    reader.page.select_option("#colours", "Grey, inverted")
    assert reader.page.evaluate(middle) == pytest.approx([255 * (60 - value) / 50] * 3, abs=2)
    reader.page.click("#reset")
    assert reader.page.evaluate("view.window[1]") == pytest.approx(70, abs=0.5)


def test_a_click_in_the_series_shows_that_slice(reader):
    reader.start("MN")
    reader.page.keyboard.press("v")
    cells = reader.page.evaluate("cellsOf(panels[0])")
    slices = [round(cell["through"] * SHAPE[2] - 0.5) for cell in cells]
    assert len(slices) == 20
    assert slices == sorted(slices)
    assert (slices[0], slices[-1]) == (1, SHAPE[2] - 2)
    box = reader.page.locator(".panel canvas").bounding_box()
    cell = cells[4]
    # A quarter from the left is three quarters along the patient's axis, which goes to the left.
    reader.page.mouse.click(
        box["x"] + cell["x"] + cell["w"] / 4, box["y"] + cell["y"] + cell["h"] / 4
    )
    assert reader.page.evaluate("view.series") is False
    assert reader.page.evaluate("[...view.place]") == pytest.approx([15, 18, slices[4]], abs=1)
    assert reader.page.evaluate("view.place[2]") == slices[4]
    assert len(reader.page.evaluate("cellsOf(panels[0])")) == 3


def test_an_answer_can_go_on_by_itself(reader):
    reader.start("OP")
    reader.page.check("#auto")
    reader.page.keyboard.press("3")
    reader.shown(1)
    answers = reader.page.evaluate("Object.values(progress.answers).map((a) => a.value)")
    assert [value for value in answers if value] == ["3"]


def test_the_keys_stay_the_pages_own_after_a_click_and_a_double_click_changes_nothing(reader):
    reader.start("QR")
    reader.page.locator("#high").fill("60")
    reader.page.focus("#comment")
    box = reader.page.locator(".panel canvas").bounding_box()
    middle = (box["x"] + box["width"] / 6, box["y"] + box["height"] / 2)
    reader.page.mouse.dblclick(*middle)
    reader.page.mouse.click(*middle, button="right")
    reader.page.keyboard.press("v")
    assert reader.page.evaluate("view.series") is True
    reader.page.keyboard.press("v")
    assert len(reader.page.evaluate("cellsOf(panels[0])")) == 3
    shown = reader.page.evaluate("panels[0].volume.image.cal_max * panels[0].volume.slope")
    assert shown == pytest.approx(60)


def test_without_webgl_the_page_says_so_and_does_not_start(browser, made):
    context = browser.new_context()
    context.add_init_script(NO_WEBGL)
    reader = Reader(context, made[0] / "session.html", list(made[1].key["item"]))
    assert "WebGL 2 is off" in reader.page.inner_text("#trouble")
    reader.page.fill("#initials", "ST")
    reader.page.keyboard.press("Enter")
    assert reader.page.locator("#reading").is_hidden()
    assert reader.complaints == []
    context.close()


def test_initials_that_cannot_be_used_do_not_start(reader):
    for initials in ("", "A B", "ÄÖ"):
        reader.page.fill("#initials", initials)
        reader.page.keyboard.press("Enter")
        assert reader.page.locator("#reading").is_hidden()
