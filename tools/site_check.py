"""Looks at pages in headless Chromium as a reader would: contrast, keyboard, no sideways scroll.

    python tools/site_check.py build/site/html

Each page is opened wide and 400 pixels narrow, light and dark. Contrast is WCAG 2's AA: 4.5 to 1,
of large text and drawings 3 to 1. Says so, and looks at nothing, where no Chromium is installed.
"""

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
# Of each kind one, in both languages.
PAGES = [
    "index.html", "ko/index.html", "torch.html", "ko/keras.html", "guide.html", "speed.html",
    "tutorials/one-cell.html", "ko/tutorials/gates.html", "tasks/index.html", "tasks/music.html",
    "reference/index.html", "reference/pyrnn.losses.html",
]  # fmt: skip
WIDE, NARROW = 1280, 400
PROBE = Path(__file__).with_suffix(".js").read_text("utf-8")


def faults(pages, dark=False):
    """{(page, width): its faults} of the pages that have some, from their paths."""
    frames = [
        f'<iframe data-page="{html.escape(str(page))}" width="{width}" height="900" '
        f'src="{Path(page).resolve().as_uri()}"></iframe>'
        for page in pages
        for width in (WIDE, NARROW)
    ]
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder, "frame.html")
        frame.write_text(
            f"<!doctype html><meta charset=utf-8>{''.join(frames)}<script>{PROBE}</script>", "utf-8"
        )
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += ["--disable-web-security", "--allow-file-access-from-files"]
        command += [f"--user-data-dir={folder}/profile"]
        command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", frame.as_uri()]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    title = re.search(r"<title>(.*?)</title>", run.stdout, re.DOTALL)
    if run.returncode or title is None:
        raise RuntimeError(f"the browser returned nothing: {run.stderr[-2000:]}")
    told = json.loads(html.unescape(title[1]))
    return {(page, int(width)): found for page, width, found in told if found}


def main(folder):
    if BROWSER is None:
        print("no chromium is installed: the pages are not checked")
        return
    found = [faults([Path(folder, p) for p in PAGES], dark) for dark in (False, True)]
    for scheme, of in zip(("light", "dark"), found, strict=True):
        for (page, width), lines in of.items():
            print(f"{page}, {width} pixels, {scheme}:", *lines, sep="\n  ")
    if any(found):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
