"""A headless Chromium that writes down what it asks for and complains about; needs chromium, chromium-driver and python3-selenium."""
import json
import os
import shutil
import sys
import tempfile
import time

SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's packages are seen by its own python3 only


def require():
    """Ends with 77 (skipped) where there is no browser to test with."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        if sys.executable != SYSTEM_PYTHON and os.path.exists(SYSTEM_PYTHON) and "WHYNOT_AGAIN" not in os.environ:
            os.environ["WHYNOT_AGAIN"] = "1"
            os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)
        print("skipped: python3-selenium is not installed (deploy/install-packages browser)")
        sys.exit(77)
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        print("skipped: chromium and chromium-driver are not installed (deploy/install-packages browser)")
        sys.exit(77)


class Browser:
    def __init__(self, width=1280, height=900, dark=False):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        self.downloads = tempfile.TemporaryDirectory()
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--lang=en", "--window-size=%d,%d" % (width, height)):
            options.add_argument(flag)
        if dark:
            options.add_argument("--force-dark-mode")
        options.add_experimental_option("prefs", {"download.default_directory": self.downloads.name, "profile.default_content_setting_values.automatic_downloads": 1})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.driver.set_script_timeout(30)
        self.requests, self.complaints = [], []
        self.view(width, height, dark)

    def view(self, width, height, dark=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def cdp(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def open(self, url):
        """A fresh document, also where only the fragment differs."""
        self.driver.get("about:blank")
        self.driver.get(url)

    def one(self, selector):
        from selenium.webdriver.common.by import By
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        from selenium.webdriver.common.by import By
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def wait(self, condition, what="it", seconds=30):
        """condition: JavaScript that is returned, or a function."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = condition() if callable(condition) else self.js("return " + condition)
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError("%s did not come true in %d s: %s" % (what, seconds, condition))

    def keys(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains
        chain = ActionChains(self.driver)
        for key in keys:
            chain = chain.send_keys(key)
        chain.perform()

    def answered(self, more="true"):
        """The page has what it asked for."""
        self.wait("document.readyState === 'complete' && document.querySelector('#panel .tile canvas') && !document.querySelector('#panel').hasAttribute('aria-busy') && (%s)" % more, "an answer")

    def listen(self):
        """Reads the browser's logs: what was requested, and what was complained about."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        for entry in self.driver.get_log("browser"):
            if entry["level"] in ("SEVERE", "WARNING"):
                self.complaints.append(entry["message"])
        return self

    def picture(self, path, full=True, quality=None):
        import base64
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        more = {"format": "jpeg", "quality": quality} if quality else {"format": "png"}
        more |= {"clip": clip, "captureBeyondViewport": True} if full else {}
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.cdp("Page.captureScreenshot", **more)["data"]))

    def close(self):
        self.driver.quit()
        self.downloads.cleanup()
