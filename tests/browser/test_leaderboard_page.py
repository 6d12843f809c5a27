"""The page in a real browser: it works from a file, alone, with mouse and keyboard, in both themes, on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from leaderboard_records import record, write_packed
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from fflbench.leaderboard import write_leaderboard


@pytest.fixture(scope="module")
def address(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_leaderboard(sample, tmp_path_factory.mktemp("page")).html.as_uri()


@pytest.fixture
def said(context: BrowserContext) -> list[str]:
    """Everything that should not happen: console messages, errors, requests that leave the page."""
    lines: list[str] = []
    context.on("console", lambda message: lines.append(message.text))
    context.on("weberror", lambda error: lines.append(str(error.error)))
    context.on("request", lambda r: None if r.url.startswith(("data:", "file:")) else lines.append(r.url))
    return lines


@pytest.fixture
def page(context: BrowserContext, address: str, said: list[str]) -> Iterator[Page]:
    opened = context.new_page()
    opened.goto(address)
    yield opened
    assert said == []


def defenses(page: Page, table: str) -> list[str]:
    rows = page.locator(f"#{table} tbody:not(.pinned) tr:not([hidden])")
    return [row.get_attribute("data-defense") or "" for row in rows.all()]


def test_a_click_sorts_best_first_and_again_the_other_way(page: Page) -> None:
    column = page.locator("table#joint-table thead th", has_text="Clean accuracy")
    column.get_by_role("button").click()
    assert column.get_attribute("aria-sort") == "descending"
    values = page.eval_on_selector_all("#joint-table tbody td:nth-child(3)", "all => all.map(c => +c.dataset.sort)")
    assert values == sorted(values, reverse=True)
    column.get_by_role("button").click()
    assert column.get_attribute("aria-sort") == "ascending"


def test_sorting_by_keyboard_and_gaps_at_the_end(page: Page) -> None:
    column = page.locator("table#joint-table thead th", has_text="PSNR")
    for _ in range(2):
        column.get_by_role("button").press("Enter")
        assert defenses(page, "joint-table")[-1] == "secure aggregation"
    assert column.get_attribute("aria-sort") == "descending"
    assert page.locator("table#joint-table th[aria-sort=descending]").count() == 1


def test_references_stay_put(page: Page) -> None:
    page.locator("#r0-summary thead button", has_text="Defense").click()
    last = page.locator("#r0-summary tbody").last
    assert last.get_attribute("class") == "pinned"
    assert "grey" in last.inner_text()


def heat(page: Page, task: str = "p0") -> Locator:
    """The heat map of a task, unpacked because it came into sight."""
    page.locator(f"#{task} .lazy").first.scroll_into_view_if_needed()
    table = page.locator(f"#{task} table.heat")
    expect(table).to_be_visible()
    return table


def test_filter_of_defenses(page: Page) -> None:
    page.get_by_label("Filter defenses").fill("MEAN trim")
    assert defenses(page, "p0-summary") == ["trimmed mean"]
    assert page.locator("#filter-said").inner_text() == "1 of 8 defenses shown"
    assert page.locator("#trade-off .dot:not([hidden])").count() == 1
    heat(page)
    assert defenses(page, "p0-accuracy") == ["trimmed mean"], "what is unpacked later is filtered too"
    page.get_by_label("Filter defenses").fill("")
    assert len(defenses(page, "p0-summary")) == 8


def test_filter_of_attacks(page: Page) -> None:
    table = heat(page)
    page.get_by_label("Filter attacks").fill("flip")
    headings = table.locator("thead tr:last-child th:not([hidden])")
    assert headings.all_inner_texts() == ["Defense", "label-flip", "sign-flip"]
    assert table.locator("tbody tr").first.locator("td:not([hidden])").count() == 2
    page.get_by_label("Filter attacks").fill("")
    assert headings.count() == 6


def test_the_joint_view_has_a_view_for_each_choice(page: Page) -> None:
    def robust() -> list[str]:
        return page.locator("#joint-table thead th").all_inner_texts()

    assert "Worst-case accuracy (%)" in robust()
    page.get_by_role("radio", name="mean over attacks").check()
    expect(page.locator("#joint-table thead")).to_contain_text("Mean accuracy")
    assert "Worst-case accuracy (%)" not in robust()
    page.get_by_role("radio", name="omniscient").check()
    expect(page.locator("#joint-table thead")).to_contain_text("Mean accuracy, omniscient")
    assert page.locator("#trade-off .dot").count() == 7
    page.locator("#joint-table thead button", has_text="omniscient").first.click()
    values = page.eval_on_selector_all(
        "#joint-table tbody td:nth-child(4)", "all => all.map(c => c.dataset.sort && +c.dataset.sort)"
    )
    measured = [value for value in values if value is not None]
    assert measured == sorted(measured, reverse=True)


def test_a_heat_map_is_coloured_from_worst_to_best(page: Page) -> None:
    table = heat(page)
    broken = table.locator("tr[data-defense='fedavg'] td.weakest")
    assert "h0" in (broken.get_attribute("class") or "")
    colours = {
        table.locator(f"td.h{level}").first.evaluate("one => getComputedStyle(one).backgroundColor") for level in (0, 8)
    }
    assert len(colours) == 2


def test_other_metrics_are_one_choice_away(page: Page) -> None:
    heat(page)
    page.locator("#p0 select.metric").select_option(label="attack success (%)")
    expect(page.locator("#p0-attack-success")).to_be_visible()
    assert page.locator("#p0-accuracy").count() == 0


def test_a_number_opens_the_runs_behind_it(page: Page) -> None:
    heat(page).locator("a[href='#cell-p0-1-5']").click()
    dialog = page.locator("dialog#cell")
    expect(dialog).to_be_visible()
    text = dialog.inner_text()
    assert "TimeLimit: no answer after 600 s" in text
    assert 'fflbench run sample --only "fashion-lenet/alie/multi-krum" --seeds 0' in text
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    assert "#" not in page.url


def test_a_heat_map_is_walked_with_arrow_keys(page: Page) -> None:
    table = heat(page)
    assert table.locator("a[tabindex='0']").count() == 1
    first = table.locator("tbody tr").first.locator("a")
    first.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    where = page.evaluate("(() => { const td = document.activeElement.closest('td');"
                          "return [td.cellIndex, td.parentElement.rowIndex - td.closest('table').tHead.rows.length]; })()")  # fmt: skip
    assert where == [2, 1]
    page.keyboard.press("Enter")
    expect(page.locator("dialog#cell")).to_be_visible()


def test_a_link_to_a_cell_opens_it(context: BrowserContext, address: str, page: Page) -> None:
    other = context.new_page()
    other.goto(f"{address}#cell-p0-1-1")
    expect(other.locator("dialog#cell")).to_be_visible()
    assert "alie" in other.locator("#cell-title").inner_text()
    other.goto(f"{address}#cell-p9-1-1")
    other.goto(f"{address}#cell-p0-99-1")
    expect(other.locator("dialog#cell")).not_to_be_visible()


def unfold(page: Page) -> None:
    """Everything open and unpacked."""
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    for place in page.locator(".lazy").all():
        place.scroll_into_view_if_needed()
        expect(place).not_to_be_empty()


def test_gallery_pictures_load(page: Page) -> None:
    unfold(page)
    pictures = page.locator(".wall img")
    assert pictures.count() == 2 * 4 * 8
    page.eval_on_selector_all(".wall img", "all => Promise.all(all.map(i => i.decode()))")
    assert set(page.eval_on_selector_all(".wall img", "all => all.map(i => i.naturalWidth)")) == {32}
    assert page.eval_on_selector(".wall img", "i => getComputedStyle(i).imageRendering") == "pixelated"


def test_a_picture_opens_a_slider_over_the_original(page: Page) -> None:
    unfold(page)
    page.locator(".wall button.compare").nth(1).click()
    dialog = page.locator("dialog#compare")
    expect(dialog).to_be_visible()
    assert dialog.locator("img").count() == 2
    above = dialog.locator("img.above")
    before = above.evaluate("one => one.style.clipPath")
    page.keyboard.press("ArrowRight")
    assert above.evaluate("one => one.style.clipPath") != before
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_legend_brings_a_line_forward(page: Page) -> None:
    unfold(page)
    entry = page.locator(".legend button", has_text="median")
    entry.press("Space")
    assert entry.get_attribute("aria-pressed") == "true"
    assert page.locator(".series:not(.back)").count() == page.locator(".panel").count()


def test_downloads_lie_beside_the_page(page: Page, address: str) -> None:
    names = page.locator(".downloads a").all_inner_texts()
    assert names == [f"leaderboard.{ending}" for ending in ("md", "csv", "tex", "json")]
    for name in names:
        assert (Path(address.removeprefix("file://")).parent / name).is_file()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_until_chosen(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    before = _brightness(page)
    assert (before > 128) == (scheme == "light")
    page.locator("#theme").click()
    assert (_brightness(page) > 128) != (scheme == "light")
    page.reload()
    assert (_brightness(page) > 128) != (scheme == "light")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    """Contrast of at least 4.5 between each text colour and what it stands on, the colours of heat maps included."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    for name in ("ink", "soft", "accent", "good", "warn", "bad"):
        for ground in ("paper", "card", "faint"):
            assert page.evaluate(CONTRAST, [f"--{name}", f"--{ground}"]) >= 4.5, (name, ground)
    table = heat(page)
    for level in (0, 8):
        ground = table.locator(f"td.h{level}").first.evaluate("one => getComputedStyle(one).backgroundColor")
        page.evaluate("colour => document.documentElement.style.setProperty('--ground', colour)", ground)
        assert page.evaluate(CONTRAST, ["--ink", "--ground"]) >= 4.5, level
    context.close()


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_sideways_scrolling(browser: Browser, address: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(address)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_it_reads_without_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("table#joint-table tbody tr").count() == 8
    assert not page.locator("#filter").is_visible()
    assert page.get_by_text("Needs JavaScript; the same numbers are in leaderboard.md").count() == 2
    context.close()


def test_structure_for_assistive_technology(page: Page) -> None:
    unfold(page)
    heat(page).locator("a").first.click()
    expect(page.locator("dialog#cell")).to_be_visible()
    assert page.locator("dialog#cell").get_attribute("aria-labelledby") == "cell-title"
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("svg[role=img]:not(:has(> title))").count() == 0
    assert page.locator("img:not([alt])").count() == 0
    ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_keyboard_focus_is_visible(page: Page) -> None:
    for _ in range(3):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outline")
        assert "solid" in outline
        assert "3px" in outline


def test_a_large_page_is_quick(context: BrowserContext, said: list[str], tmp_path: Path) -> None:
    """Six thousand cells of 18,000 records: what is unpacked is what is looked at."""
    attacks, people = ["none", *(f"attack {n}" for n in range(19))], [f"defense {n}" for n in range(30)]
    records = [
        record(attack, defense, seed, 20.0 + (len(attack) * 7 + len(defense) * 13 + seed) % 60, task=f"task {task}",
               curves={"accuracy": [10.0 + step for step in range(50)]})
        for task in range(10) for attack in attacks for defense in people for seed in range(3)
    ]  # fmt: skip
    page = context.new_page()
    page.goto(write_leaderboard(write_packed(tmp_path, records)).html.as_uri())
    assert page.evaluate("document.querySelectorAll('*').length") < 30_000
    table = heat(page, "p9")
    table.locator("a").nth(40).click()
    expect(page.locator("dialog#cell")).to_be_visible()
    assert said == []


def _brightness(page: Page) -> float:
    colour = page.eval_on_selector("body", "one => getComputedStyle(one).backgroundColor")
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


CONTRAST = """([first, second]) => {
  const luminance = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    // color(srgb r g b) counts from 0 to 1, rgb(r, g, b) to 255.
    const text = getComputedStyle(probe).color;
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map((part) => part / (text.startsWith("color") ? 1 : 255));
    probe.remove();
    const [r, g, b] = parts.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""
