"""Drives the page of ``spmamba demo`` in headless Chromium.

python -m tests.browsing MODEL RECORDING PICTURE makes the picture of the docs.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser():
    """Path of a browser, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def write_model(folder, spoil=False, **overrides):
    """A small model with random weights, or with none that are numbers."""
    import torch

    from speechbrain_spmamba.models import build_model
    from speechbrain_spmamba.weights.folder_yaml import TAIL
    from tests.small_models import SMALL

    sizes = {**SMALL["spmamba"], **overrides}
    text = "sample_rate: 8000\nnum_spks: 2\n"
    text += "separator: !new:speechbrain_spmamba.models.spmamba.SPMamba\n"
    text += "".join(f"    {key}: {value}\n" for key, value in sizes.items())
    (folder / "hyperparams.yaml").write_text(text + TAIL)
    torch.manual_seed(0)
    weights = build_model("spmamba", **sizes).state_dict()
    if spoil:
        weights = {name: one * torch.nan for name, one in weights.items()}
    torch.save(weights, folder / "separator.ckpt")
    return folder


def downloaded(page, selector, folder):
    """Follows a link and keeps what comes."""
    with page.expect_download() as waiting:
        page.locator(selector).click()
    download = waiting.value
    path = folder / download.suggested_filename
    download.save_as(path)
    return path


class Bystander:
    """A proxy that answers nobody and counts who asks."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.asked = []
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def _listen(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                self.asked.append(client.recv(200).split(b"\r\n")[0].decode())


def free_port():
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(model, temporary):
    """Runs the command; gives its address and who asked for the net."""
    port, bystander = free_port(), Bystander()
    proxies = dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy"), bystander.address
    )
    proxies |= {name.upper(): value for name, value in proxies.items()}
    command = [
        sys.executable, "-m", "speechbrain_spmamba.cli", "demo", str(model),
        "--port", str(port), "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, **proxies, "TMPDIR": str(temporary)}
    with (
        bystander.socket,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            line = process.stdout.readline()
            address = re.match(r"http://\S+", line)
            assert address, f"the command said {line!r}"
            yield address[0], bystander.asked
        finally:
            process.terminate()


@contextmanager
def opened(address, microphone=None):
    """Opens a page; gives it and what it asked for and complained of."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox"]
    if microphone is not None:
        flags += [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=find_browser(), args=flags
        )
        page = browser.new_page(viewport={"width": 1100, "height": 700})
        requests, complaints = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{message.text} {message.location['url']}")
                if message.type == "error"
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.locator("#separate").wait_for()
        yield page, requests, complaints
        browser.close()


def upload(page, path):
    """Gives a recording to the page."""
    page.locator("#recording input[type=file]").first.set_input_files(path)


def choose(page, *names):
    """Opens the options and ticks some of them."""
    page.get_by_text("Options").click()
    for name in names:
        page.locator(f"#{name} input").check()


def wait_for_voices(page):
    """Waits until all is there."""
    page.locator("#figure img").wait_for(timeout=120_000)
    page.locator("#archive").wait_for()


def foreign(requests):
    """Addresses that are not on this computer."""
    hosts = {
        urlsplit(url).hostname
        for url in requests
        if urlsplit(url).scheme not in ("data", "blob")
    }
    return hosts - {"127.0.0.1", "localhost"}


def main(model, recording, picture):
    """Separates a recording on the page and takes a picture of it."""
    import tempfile

    from PIL import Image

    with (
        tempfile.TemporaryDirectory() as folder,
        served(model, folder) as (address, _),
        opened(address) as (page, _, _),
    ):
        upload(page, recording)
        wait_for_voices(page)
        page.wait_for_timeout(2000)  # waveforms are drawn in the browser
        page.screenshot(path=picture, full_page=True)
    # A palette takes a third of the bytes.
    with Image.open(picture) as image:
        image.convert("RGB").quantize(128).save(picture, optimize=True)
    print(picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
