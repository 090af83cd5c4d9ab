"""The report in a browser; a file of its own, because the other tests of the report need no selenium."""

import shutil
from functools import partial

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tiny_report import small_report

from privessel.report.page import render

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium with an empty profile; neither browser nor driver is ever downloaded."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield started
    started.quit()


def column(browser, number, table="table-1"):
    """Return a column's texts in the rows that are shown."""
    return browser.execute_script(
        f"return [...document.querySelectorAll('#{table} tbody tr')].filter((row) => !row.hidden)"
        f".map((row) => row.cells[{number}].textContent)"
    )


def test_a_reader_sorts_filters_and_sees_everything_without_an_error(tmp_path, browser):
    path = tmp_path / "report.html"
    path.write_text(render(**small_report(tmp_path)), encoding="utf-8")
    browser.get(path.as_uri())
    find = partial(browser.find_element, By.CSS_SELECTOR)
    find('nav a[href="#table-1-box"]').click()
    head = "#table-1 th:nth-child(3)"
    find(f"{head} button").click()
    rising = ["-3", "1e-05", "0.5", "2", "4", "5", "9", "10", "33", "100", "1e+06", ""]
    assert column(browser, 2) == rising
    assert find(head).get_attribute("aria-sort") == "ascending"
    find(f"{head} button").send_keys(Keys.ENTER)  # the keyboard does what the mouse does
    assert column(browser, 2) == [*rising[-2::-1], ""]
    find("#table-1 th:nth-child(4) button").click()
    assert column(browser, 3)[-3:] == ["10.2", "inf", ""]
    find("input[data-filters=table-1]").send_keys("00")
    assert sorted(column(browser, 0)) == [f"{k:03d}" for k in range(10)]
    assert browser.execute_script(
        "return [...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    )
    for width in (1400, 420):  # CSS pixels; smaller than a real window could be
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.save_screenshot(str(tmp_path / f"{width}.png"))
        assert Image.open(tmp_path / f"{width}.png").size == (width, 900)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
