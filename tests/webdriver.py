"""A headless Chromium for tests of pages, through its own driver: the W3C WebDriver protocol over HTTP."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
_OPTIONS += ["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the standard's name of a reference to an element


def find_chromium():
    """Return browser and driver, or None where one of them is not installed."""
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """One session: every method is one command of the protocol."""

    def __init__(self, address):
        self.address = address

    def command(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine, never a proxy
        with opener.open(request, timeout=60) as response:
            return json.load(response)["value"]

    def open(self, url):
        self.command("POST", "/url", {"url": url})

    def find(self, selector):
        return self.command("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT]

    def click(self, selector):
        self.command("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.command("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def run(self, script):
        """Return what a piece of JavaScript returns."""
        return self.command("POST", "/execute/sync", {"script": script, "args": []})

    def errors(self):
        """Return the console's messages of errors so far."""
        entries = self.command("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def photograph(self, path, *, width, height):
        """Write a PNG of the window at this size in CSS pixels, smaller than a real window could be."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
        self.command("POST", "/goog/cdp/execute", command)
        path.write_bytes(base64.b64decode(self.command("GET", "/screenshot")))


@contextmanager
def chromium(folder):
    """Start Chromium with an empty profile in `folder`, yield a `Browser`, and end both processes."""
    browser, driver = find_chromium()
    said = folder / "chromedriver.log"
    with said.open("w") as log:
        process = subprocess.Popen([driver, "--port=0"], stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{_port(said)}"
        options = {"binary": browser, "args": [*_OPTIONS, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = Browser(address).command("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        page = Browser(f"{address}/session/{session['sessionId']}")
        try:
            yield page
        finally:
            page.command("DELETE", "")
    finally:
        process.terminate()
        process.wait(timeout=20)


def _port(log):
    """Return the free port that the driver has chosen, once its log says it."""
    for _ in range(200):
        words = log.read_text().split("successfully on port ")
        if len(words) > 1 and "\n" in words[-1]:
            return int(words[-1].split()[0].rstrip("."))
        time.sleep(0.05)
    raise TimeoutError(log.read_text())
