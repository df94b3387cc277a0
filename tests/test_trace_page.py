"""Promise: a trace's page runs in a browser, without a network, and shows the trace's numbers."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import pyrnn

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
TOKENS = ["<script>", "나는", "a & b", '"', "</script>", "소년"]
# Moves the slider as a reader does, and notes what the page then shows.
PROBE = """
<script>
const seen = { errors: [], steps: [], spilled: [] };
const spill = () => {
  for (const text of document.querySelectorAll("svg .on-colour[data-value]")) {
    let box = text.previousElementSibling;
    while (!box.classList.contains("box")) box = box.previousElementSibling;
    if (text.getBBox().width > box.getBBox().width) seen.spilled.push(text.textContent);
  }
};
const number = (node) => Number(node.textContent.replace(/^.*=\\s*/, ""));
const note = () => {
  const all = (name) => [...document.querySelectorAll(name)];
  const lines = all("[data-line]").map((n) => [n.dataset.line, number(n)]);
  const outputs = all("[data-output]").map((n) => [n.dataset.output, number(n)]);
  const pressed = document.querySelector('#tokens [aria-pressed="true"]');
  seen.steps.push({ lines: Object.fromEntries(lines), outputs: Object.fromEntries(outputs),
    token: pressed && pressed.textContent, now: document.getElementById("now").textContent,
    svgs: all("svg").length, canvases: all("canvas").length });
};
addEventListener("error", (event) => seen.errors.push(event.message));
const slider = document.getElementById("step");
try {
  note();
  for (const view of ["folded", "units", "unrolled"]) {
    document.querySelector(`[data-view=${view}]`).click();
    spill();
  }
  for (let t = 0; t <= Number(slider.max); t++) {
    slider.value = t;
    slider.dispatchEvent(new Event("input"));
    note();
    spill();
  }
  const layers = document.getElementById("layer");
  for (let k = 0; k < layers.options.length; k++) {
    layers.value = k;
    layers.dispatchEvent(new Event("change"));
    note();
  }
  const unit = document.getElementById("unit");
  unit.value = 1;
  unit.dispatchEvent(new Event("change"));
  note();
  seen.language = document.documentElement.lang;
  document.getElementById("language").click();
  seen.other = document.documentElement.lang + ": " + document.querySelector("h1").textContent;
} catch (error) { seen.errors.push(String(error)); }
document.title = JSON.stringify(seen);
</script>
"""


def model(cell, **options):
    return pyrnn.Sequential(
        pyrnn.Embedding(9, 3, seed=0),
        cell(3, 4, seed=1, **options),
        pyrnn.Linear(4 * (1 + options.get("bidirectional", False)), 3, seed=2),
    )


def opened(page, tmp_path):
    """What the probe saw in a headless browser, and what the browser said."""
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", PROBE + "</body>"), "utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "CONSOLE" not in run.stderr, run.stderr
    title = re.search(r"<title>(.*?)</title>", run.stdout, re.DOTALL)[1]
    return json.loads(html.unescape(title))


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
@pytest.mark.parametrize(
    ("cell", "options"),
    [
        (pyrnn.LSTM, {}),
        (pyrnn.GRU, {"bidirectional": True}),
        (pyrnn.RNN, {"num_layers": 2}),
        (pyrnn.GRU, {"reset_after": False}),
        (pyrnn.LSTM, {"peephole": True, "coupled_gates": True, "zoneout": 0.1}),
    ],
)
def test_a_browser_shows_the_numbers(cell, options, tmp_path):
    """The slider moves, every view is drawn, and each step's equations have the trace's values."""
    ids = np.array([1, 2, 3, 8, 0, 5])
    trace = pyrnn.trace(model(cell, **options), ids, tokens=TOKENS, classes=["<b>", "b", "c"])
    trace.html(tmp_path / "plain.html")
    seen = opened((tmp_path / "plain.html").read_text("utf-8"), tmp_path)
    assert seen["errors"] == []
    first, *steps = seen["steps"]
    assert first["now"] == "t = 5 / 5"
    for t, step in enumerate(steps[:6]):
        assert (step["now"], step["token"]) == (f"t = {t} / 5", TOKENS[t])
        assert step["svgs"] == 3 and step["canvases"] >= 2
        for name, value in step["lines"].items():
            assert value == float(f"{trace[0][name][t, 0]:.4g}"), (t, name)
        assert {"h"} < set(step["lines"])
        for k, p in step["outputs"].items():
            assert p == float(f"{trace.probabilities[0, t, int(k)]:.4g}")
    for k, step in enumerate(steps[6 : 6 + len(trace.layers)]):
        assert step["lines"]["h"] == float(f"{trace[k]['h'][5, 0]:.4g}")
    assert steps[-1]["lines"]["h"] == float(f"{trace[-1]['h'][5, 1]:.4g}")
    other = "순환 신경망의 안을 들여다보기" if seen["language"] == "en" else "recurrent network"
    assert other in seen["other"]


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
@pytest.mark.parametrize("cell", [pyrnn.RNN, pyrnn.LSTM, pyrnn.GRU])
@pytest.mark.parametrize("size", [1, 1e-2, 1e-6])
def test_numbers_fit_in_their_boxes(cell, size, tmp_path):
    """Small ones, with many zeros, too."""
    network = pyrnn.Sequential(cell(3, 4, seed=1), pyrnn.Linear(4, 3, seed=2))
    for parameter in network.parameters():
        parameter[...] *= size
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    pyrnn.trace(network, x).html(tmp_path / "plain.html")
    seen = opened((tmp_path / "plain.html").read_text("utf-8"), tmp_path)
    assert (seen["errors"], seen["spilled"]) == ([], [])


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_a_page_stands_alone_and_stays_small(tmp_path):
    """It names no address, and a large network's page says what it leaves out."""
    network = pyrnn.Sequential(pyrnn.LSTM(8, 256, num_layers=2, seed=0), pyrnn.Linear(256, 50))
    trace = pyrnn.trace(network, np.random.default_rng(0).standard_normal((500, 8)))
    trace.html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert len(page.encode()) < 600_000
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"']*", page))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link|<img|@import|\bsrc=|\bfetch\(|XMLHttp", page)
    data = data_of(page)
    assert (data["steps"], data["allSteps"], data["layers"][1]["allUnits"]) == (200, 500, 256)
    assert np.allclose(
        data["layers"][1]["values"]["f"],
        trace[1]["f"][:200, : data["layers"][1]["units"]],
        rtol=1e-3,
    )


def test_words_are_text():
    """A token or class that looks like a tag ends no script."""
    page = pyrnn.trace(
        pyrnn.GRU(1, 2, seed=0), np.zeros((1, 1)), tokens=["</script><script>alert(1)"]
    )._repr_html_()
    assert "alert(1)" in page and "</script><script>alert" not in html.unescape(page)
    assert page.startswith("<iframe srcdoc=")


def test_a_path_that_cannot_be_written(tmp_path):
    trace = pyrnn.trace(pyrnn.GRU(1, 2, seed=0), np.zeros((1, 1)))
    with pytest.raises(OSError, match="nowhere"):
        trace.html(tmp_path / "nowhere" / "page.html")
