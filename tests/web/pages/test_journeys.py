"""What a visitor of the page does: pictures in four ways, steps, errors, and the way back."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers.visits import Visit, needs_chromium, visiting
from pictures import SAMPLES
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from serving import Server, serving

from imgsrv.imaging.operations import OPERATIONS

pytestmark = [pytest.mark.slow, needs_chromium]

COFFEE = SAMPLES / "coffee.jpg"
DONE = re.compile("→")

GIVE = """([event, encoded]) => {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], 'given.jpg', {type: 'image/jpeg'}));
  const given = event === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true})
    : new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true});
  document.body.dispatchEvent(given);
}"""


@pytest.fixture
def visit(browser: Browser, playground: Server) -> Iterator[Visit]:
    with visiting(browser, playground.url) as visit:
        yield visit


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def status(page: Page) -> None:
    """Wait for the result."""
    expect(page.locator("#look")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_have_text(DONE)


def add(page: Page, name: str) -> None:
    page.select_option("#operation", name)
    page.click("#add")


def with_sample(page: Page) -> None:
    page.get_by_role("button", name="photo").click()
    status(page)


def field(operation: str, parameter: str) -> str:
    return f"li[data-operation={operation}] [data-parameter={parameter}]"


def steps(page: Page) -> list[str]:
    return [str(node.get_attribute("data-operation")) for node in page.locator("#steps > li").all()]


def test_a_file_that_is_chosen_is_shown_with_its_result(page: Page) -> None:
    page.set_input_files("#file", COFFEE)
    status(page)
    expect(page.locator("#in-size")).to_have_text("600 × 400")
    expect(page.locator("#out-size")).to_have_text("600 × 400")
    expect(page.locator("#stage-list")).to_contain_text("decode")
    expect(page.locator("#ssim")).to_have_text(re.compile(r"0\.9\d"))
    page.fill("#output [data-parameter=quality] input[type=number]", "5")
    expect(page.locator("#ssim")).to_have_text(re.compile(r"0\.[5-8]\d"))


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_may_be_pasted_or_dropped(page: Page, event: str) -> None:
    expect(page.locator("#operation")).to_be_enabled()
    page.evaluate(GIVE, [event, base64.b64encode(COFFEE.read_bytes()).decode()])
    status(page)
    expect(page.locator("#in-size")).to_have_text("600 × 400")


def test_a_sample_and_its_steps_are_in_the_address(page: Page) -> None:
    with_sample(page)
    add(page, "resize")
    page.fill(f"{field('resize', 'width')} input[type=number]", "300")
    page.press(f"{field('resize', 'width')} input[type=number]", "Tab")
    expect(page.locator("#out-size")).to_have_text("300 × 200")
    assert page.url.endswith("#ops=resize:width=300&sample=photo")
    page.reload()
    status(page)
    expect(page.locator("#out-size")).to_have_text("300 × 200")


def test_steps_are_moved_switched_off_and_removed(page: Page) -> None:
    with_sample(page)
    for name in ("grayscale", "resize", "flip"):
        add(page, name)
    assert steps(page) == ["grayscale", "resize", "flip"]
    page.get_by_role("button", name="Move up flip").click()
    assert steps(page) == ["grayscale", "flip", "resize"]
    expect(page.get_by_role("button", name="Move up flip")).to_be_focused()
    page.get_by_label("Use flip").uncheck()
    expect(page).to_have_url(re.compile("#ops=grayscale/flip/resize:width=800&off=2&sample=photo$"))
    page.get_by_role("button", name="Remove grayscale").click()
    assert steps(page) == ["flip", "resize"]
    expect(page.locator("#code")).to_contain_text("/resize?width=800")


def test_a_step_is_dragged_to_another_place(page: Page) -> None:
    for name in ("flip", "flop", "invert"):
        expect(page.locator("#operation")).to_be_enabled()
        add(page, name)
    handle, last = page.locator(".handle").first, page.locator("#steps > li").last
    handle.scroll_into_view_if_needed()
    start, end = handle.bounding_box(), last.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 5, start["y"] + 5)
    page.mouse.down()
    page.mouse.move(start["x"] + 5, end["y"] + end["height"] - 4, steps=12)
    page.mouse.up()
    assert steps(page) == ["flop", "invert", "flip"]
    expect(page).to_have_url(re.compile("#ops=flop/invert/flip$"))


def test_an_error_stands_beside_the_field_that_it_names(page: Page) -> None:
    with_sample(page)
    add(page, "blur")
    add(page, "rotate")
    wrong = field("rotate", "degrees")
    page.fill(f"{wrong} input[type=number]", "400")
    expect(page.locator(f"{wrong} .hint")).to_contain_text("it must be a number from -360 to 360")
    expect(page.locator(f"{wrong} input[type=number]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field.wrong")).to_have_count(1)
    page.fill(f"{wrong} input[type=number]", "40")
    status(page)
    expect(page.locator(".field.wrong")).to_have_count(0)


def test_an_error_of_the_output_stands_beside_its_field(page: Page) -> None:
    with_sample(page)
    page.fill("#output [data-parameter=quality] input[type=number]", "101")
    expect(page.locator("#output [data-parameter=quality] .hint")).to_contain_text("a whole number from 1 to 100")


def test_a_step_that_does_not_fit_the_picture_says_so_itself(page: Page) -> None:
    with_sample(page)
    add(page, "crop")
    page.fill(f"{field('crop', 'width')} input", "5000")
    expect(page.locator("li[data-operation=crop] .error")).to_contain_text("does not lie inside the picture")


def test_the_back_button_undoes_a_change(page: Page) -> None:
    with_sample(page)
    add(page, "grayscale")
    add(page, "flip")
    page.go_back()
    expect(page.locator("#steps > li")).to_have_count(1)
    page.go_back()
    expect(page.locator("#steps > li")).to_have_count(0)
    page.go_forward()
    expect(page.locator("#steps > li")).to_have_count(1)
    status(page)


def test_the_output_shows_what_the_format_takes(page: Page) -> None:
    with_sample(page)
    page.select_option("#output select", "webp")
    expect(page.locator("#out-kind")).to_have_text("WEBP")
    expect(page.locator("#output [data-parameter=progressive]")).to_be_hidden()
    page.fill("#output [data-parameter=quality] input[type=number]", "40")
    page.select_option("#output select", "png")
    expect(page.locator("#out-kind")).to_have_text("PNG")
    expect(page.locator("#output [data-parameter=quality]")).to_be_hidden()


def test_a_number_without_an_upper_bound_has_a_box_alone(page: Page) -> None:
    with_sample(page)
    page.get_by_text("More: size of the file").click()
    limit = page.locator("#output [data-parameter=max_bytes]")
    expect(limit.locator("input[type=range]")).to_have_count(0)
    limit.locator("input").fill("12000")
    expect(page.locator("#code")).to_contain_text("max_bytes=12000")
    expect(page.locator("#out-bytes")).to_have_text(re.compile(r"^1[01]\.\d KB"))
    limit.locator("input").fill("300")
    expect(limit.locator(".hint")).to_contain_text("and max_bytes=300 allows less")


@pytest.mark.parametrize(("form", "kind"), [("tiff", "TIFF"), ("jp2", "JP2")])
def test_a_result_that_browsers_do_not_show_is_shown_all_the_same(page: Page, form: str, kind: str) -> None:
    with_sample(page)
    page.select_option("#output select", form)
    expect(page.locator("#out-kind")).to_have_text(kind)
    expect(page.locator("#ssim")).to_have_text(re.compile(r"[01]\.\d"))


def test_a_placeholder_is_shown_as_its_text(page: Page) -> None:
    with_sample(page)
    page.select_option("#output select", "blurhash")
    expect(page.locator("#text-result")).to_have_text(re.compile(r"^\S{28}\s*$"))


def test_an_animation_is_stopped_and_shown_frame_by_frame(page: Page) -> None:
    page.get_by_role("button", name="animation").click()
    status(page)
    expect(page.locator("#play")).to_have_text("Stop")
    page.click("#play")
    page.fill("#frame", "5")
    expect(page.locator("#frame-value")).to_have_text("frame 6 of 24")
    expect(page.locator("#after canvas")).to_be_visible()


def test_zoom_and_divider_work_with_the_keyboard(page: Page) -> None:
    with_sample(page)
    page.focus("#stage")
    page.keyboard.press("1")
    expect(page.locator("#zoom-value")).to_have_text("100 %")
    for _ in range(2):
        page.keyboard.press("+")
    expect(page.locator("#zoom-value")).to_have_text("400 %")
    page.focus("#divider")
    page.keyboard.press("Home")
    assert page.locator("#board").evaluate("(node) => node.style.getPropertyValue('--split')") == "0%"


def test_zoom_counts_the_pixels_of_a_fine_screen(browser: Browser, playground: Server) -> None:
    with visiting(browser, playground.url, device_scale_factor=2) as visit:
        with_sample(visit.page)
        visit.page.focus("#stage")
        visit.page.keyboard.press("1")
        for percent in (200, 400, 800):
            visit.page.keyboard.press("+")
            expect(visit.page.locator("#zoom-value")).to_have_text(f"{percent} %")
        visit.page.keyboard.press("-")
        expect(visit.page.locator("#zoom-value")).to_have_text("400 %")


def test_a_picture_of_one_pixel_is_seen_beside_the_divider(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "one.png")
    page.set_input_files("#file", tmp_path / "one.png")
    status(page)
    expect(page.locator("#out-size")).to_have_text("1 × 1")
    shown = page.locator("#after img").bounding_box()
    knob = page.locator(".rule").bounding_box()
    assert shown is not None
    assert knob is not None
    assert shown["width"] > 100
    assert shown["x"] < knob["x"] - 50 < knob["x"] + 50 < shown["x"] + shown["width"]


def test_nothing_is_divided_until_there_are_two_pictures(page: Page, tmp_path: Path) -> None:
    board = page.locator("#board")
    (tmp_path / "text.jpg").write_text("no picture")
    page.set_input_files("#file", tmp_path / "text.jpg")
    expect(page.locator("#status")).to_have_attribute("data-kind", "wrong")
    expect(page.locator("#status")).to_contain_text("the file is in no picture format that is known here")
    expect(page.locator(".rule")).to_be_hidden()
    expect(page.locator("#divider")).to_be_disabled()
    page.set_input_files("#file", COFFEE)
    status(page)
    expect(board).to_have_attribute("data-mode", "split")
    expect(page.locator("#divider")).to_be_enabled()


def test_a_part_is_drawn_on_the_picture_with_the_keyboard(page: Page) -> None:
    with_sample(page)
    add(page, "crop")
    page.get_by_role("button", name="Draw the part").click()
    expect(page.locator("#drawing")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Shift+ArrowLeft")
    page.get_by_role("button", name="Use", exact=True).click()
    # 360×240 of 600×400, moved from the middle to the left by a tenth of the width.
    expect(page).to_have_url(re.compile("#ops=crop:width=360,height=240,left=60,top=80&sample=photo$"))
    expect(page.locator("#out-size")).to_have_text("360 × 240")


def test_a_point_of_a_curve_is_moved_with_the_keyboard(page: Page) -> None:
    with_sample(page)
    add(page, "curves")
    page.locator(".plot circle").nth(1).focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(f"{field('curves', 'points')} .row input")).to_have_value(re.compile(r"^0:0;0\.5:0\.62;1:1$"))
    status(page)


def test_a_further_file_of_a_step_is_sent_with_the_picture(page: Page) -> None:
    with_sample(page)
    add(page, "watermark")
    part = f"{field('watermark', 'part')}"
    expect(page.locator(f"{part} .hint")).to_contain_text("choose it in its step")
    page.set_input_files(f"{part} input[type=file]", SAMPLES / "chelsea.png")
    status(page)
    expect(page.locator("#code")).to_contain_text("-F watermark=@chelsea.png")


def test_the_fonts_of_the_server_are_offered(page: Page) -> None:
    expect(page.locator("#operation")).to_be_enabled()
    add(page, "text")
    page.focus(f"{field('text', 'font')} input")
    expect(page.locator(f"{field('text', 'font')} datalist option[value=SourceSansPro-Bold]")).to_have_count(1)


def test_every_operation_of_the_catalogue_has_a_form(page: Page) -> None:
    expect(page.locator("#operation")).to_be_enabled()
    for name, operation in OPERATIONS.items():
        add(page, name)
        form = page.locator(f"li[data-operation={name}]")
        shown = {node.get_attribute("data-parameter") for node in form.locator(".field").all()}
        assert shown == set(operation.parameters.model_fields)
        # Nothing of it is set but the values of its example.
        page.get_by_role("button", name=f"Remove {name}", exact=True).click()


def test_an_operation_that_is_new_appears_without_a_change_of_the_page(browser: Browser, playground: Server) -> None:
    number: dict[str, Any] = {"type": "a number from 0 to 9", "minimum": 0, "maximum": 9}
    kinds = {"strength": number, "way": {"type": "up, down or away"}, "spell": {"type": "anything that sparkles"}}
    parameters = [
        {"name": name, "required": False, "default": None, "description": "Its meaning.", **kind}
        for name, kind in kinds.items()
    ]
    sparkle = {
        "name": "sparkle",
        "summary": "Sparkle.",
        "parameters": parameters,
        "example": {"url": "/sparkle?strength=3", "pipeline": "sparkle:strength=3"},
    }

    def with_one_more(route: Route) -> None:
        catalogue = route.fetch().json()
        catalogue["operations"].append(sparkle)
        route.fulfill(json=catalogue)

    with visiting(browser, "about:blank") as visit:
        visit.page.route("**/operations", with_one_more)
        visit.page.goto(playground.url)
        expect(visit.page.locator("#operation")).to_be_enabled()
        add(visit.page, "sparkle")
        expect(visit.page.locator(f"{field('sparkle', 'strength')} input[type=range]")).to_be_visible()
        expect(visit.page.locator(f"{field('sparkle', 'way')} select option")).to_have_text(
            ["as the picture is", "up", "down", "away"]
        )
        expect(visit.page.locator(f"{field('sparkle', 'spell')} input")).to_have_value("")
        expect(visit.page.locator("#code")).to_contain_text("/sparkle?strength=3")


def test_the_focus_stays_where_the_visitor_has_put_it_while_previews_come(page: Page) -> None:
    with_sample(page)
    add(page, "gamma")
    box = page.locator(f"{field('gamma', 'value')} input[type=number]")
    box.focus()
    for value in ("0.5", "1.5", "2.5"):
        box.fill(value)
        status(page)
    expect(box).to_be_focused()


def test_a_preset_of_the_server_becomes_steps(browser: Browser) -> None:
    preset = "thumb=ops=resize:width=200/sharpen&format=webp"
    with serving("--workers", "1", "--presets", preset) as server, visiting(browser, server.url) as visit:
        with_sample(visit.page)
        add(visit.page, "preset:thumb")
        expect(visit.page).to_have_url(re.compile("#ops=resize:width=200/sharpen&format=webp&sample=photo$"))
        expect(visit.page.locator("#out-kind")).to_have_text("WEBP")
        assert steps(visit.page) == ["resize", "sharpen"]


@pytest.mark.parametrize("name", ["API", "Dashboard"])
def test_the_page_leads_to_the_others(page: Page, name: str) -> None:
    with page.expect_navigation() as navigation:
        page.get_by_role("link", name=name).click()
    assert navigation.value.status == 200
    assert navigation.value.headers["content-type"].startswith("text/html")
