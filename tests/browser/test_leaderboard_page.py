"""The page in a real browser: it works from a file, alone, with mouse and keyboard, in both themes, on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

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
    page.locator("#r0-attacks thead button", has_text="Defense").click()
    last = page.locator("#r0-attacks tbody").last
    assert last.get_attribute("class") == "pinned"
    assert "grey" in last.inner_text()


def test_filter(page: Page) -> None:
    page.get_by_label("Filter defenses").fill("MEAN trim")
    assert defenses(page, "p0-summary") == ["trimmed mean"]
    assert page.locator("#filter-said").inner_text() == "1 of 8 defenses shown"
    assert page.locator("#trade-off .dot:not([hidden])").count() == 1
    page.get_by_label("Filter defenses").fill("")
    assert len(defenses(page, "p0-summary")) == 8


def test_a_number_opens_the_runs_behind_it(page: Page) -> None:
    page.locator("#p0-accuracy tr[data-defense='multi-krum'] a", has_text="75.").first.click()
    cell = page.locator("details.cell[open]")
    expect(cell).to_have_count(1)  # The page hears of its new address a moment after the click.
    assert cell.locator("summary").is_visible()
    text = cell.inner_text()
    assert "TimeLimit: no answer after 600 s" in text
    assert 'fflbench run sample --only "fashion-lenet/alie/multi-krum" --seeds 0' in text


def test_a_link_to_a_cell_opens_it(context: BrowserContext, address: str, page: Page) -> None:
    other = context.new_page()
    other.goto(f"{address}#cell-p0-1-1")
    assert other.locator("#cell-p0-1-1").get_attribute("open") is not None


def test_gallery_pictures_load(page: Page) -> None:
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    pictures = page.locator(".wall img")
    assert pictures.count() == 2 * 4 * 8
    page.eval_on_selector_all(".wall img", "all => Promise.all(all.map(i => (i.loading = 'eager', i.decode())))")
    assert set(page.eval_on_selector_all(".wall img", "all => all.map(i => i.naturalWidth)")) == {32}
    assert page.eval_on_selector(".wall img", "i => getComputedStyle(i).imageRendering") == "pixelated"


def test_legend_brings_a_line_forward(page: Page) -> None:
    entry = page.locator(".legend button", has_text="median")
    entry.press("Space")
    assert entry.get_attribute("aria-pressed") == "true"
    assert page.locator(".series:not(.back)").count() == page.locator(".panel").count()


def test_downloads(page: Page, address: str) -> None:
    for name in ("leaderboard.csv", "leaderboard.md", "leaderboard.json"):
        with page.expect_download() as coming:
            page.locator(f".downloads a[download='{name}']").click()
        assert coming.value.suggested_filename == name
        assert coming.value.path().stat().st_size > 1000


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
    """Contrast of at least 4.5 between each text colour and what it stands on."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    for name in ("ink", "soft", "accent", "good", "warn", "bad"):
        for ground in ("paper", "card", "faint"):
            assert page.evaluate(CONTRAST, [f"--{name}", f"--{ground}"]) >= 4.5, (name, ground)
    context.close()


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_sideways_scrolling(browser: Browser, address: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(address)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_it_reads_without_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("table#joint-table tbody tr").count() == 8
    assert not page.locator("#filter").is_visible()
    context.close()


def test_structure_for_assistive_technology(page: Page) -> None:
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


def _brightness(page: Page) -> float:
    colour = page.eval_on_selector("body", "one => getComputedStyle(one).backgroundColor")
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


CONTRAST = """([first, second]) => {
  const luminance = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    probe.remove();
    const [r, g, b] = parts.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""
