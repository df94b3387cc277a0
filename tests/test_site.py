"""Promise: the site has every public name, and its pages lead to each other."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn

ROOT = Path(__file__).parent.parent


@pytest.fixture
def tool(monkeypatch):
    """A module of tools/ by its name."""
    monkeypatch.syspath_prepend(ROOT / "tools")

    def load(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_the_reference_has_every_public_name(tool, tmp_path):
    for package in ("torch", "onnx", "h5py", "sklearn"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    tool("site_reference").main(tmp_path)
    for listing in (ROOT / "tests" / "data" / "public_api").glob("*.txt"):
        page = (tmp_path / "reference" / f"{listing.stem}.md").read_text()
        index = (tmp_path / "reference" / "index.md").read_text()
        for name in re.findall(r"^class (\w+)", listing.read_text(), re.MULTILINE):
            assert f"## `{name}` " in page and f"{listing.stem}.md#name-{name})" in index
        assert page.count("```") % 2 == 0


def test_links_lead_to_pages_or_become_text(tool, tmp_path):
    """Those of a page elsewhere in the repository, and those of files that are no pages."""
    site = tool("site_pages")
    source = tmp_path / "page.md"
    source.write_text(
        f"[a]({ROOT}/docs/guide.md#layers) [b]({ROOT}/bench/cases.py) [c](https://x.org) "
        f"![d](made.png)\n```python\nx[0](y)\n```\n"
    )
    targets = {"docs/guide.md": "guide.md"}
    text = site.with_links(source, "tasks/page.md", targets, tmp_path / "pages")
    assert text.startswith("[a](../guide.md#layers) b [c](https://x.org) ![d](made.png)")
    assert "x[0](y)" in text


def test_korean_pages_link_to_korean_ones(tool, tmp_path):
    """In the repository; on the site, a name without the language leads to the reader's."""
    source = ROOT / "docs" / "tutorials" / "one-cell.ko.md"
    assert "[모양과 개수](shapes.ko.md)" in source.read_text("utf-8")
    targets = {f"docs/{name}.ko.md": f"{name}.ko.md" for name in ("tutorials/shapes", "notes")}
    text = tool("site_pages").with_links(source, "tutorials/one-cell.ko.md", targets, tmp_path)
    assert "[모양과 개수](shapes.md)" in text and "](../notes.md)" in text
    for page in (ROOT / "docs").rglob("*.ko.md"):
        english = re.findall(r"\]\(([\w./-]+)\.md", page.read_text("utf-8"))
        own = page.name.removesuffix(".ko.md")  # "see the English page"
        assert not [n for n in english if n != own and (page.parent / f"{n}.ko.md").exists()], page


def test_output_stands_below_its_block(tool, tmp_path):
    page = tmp_path / "page.md"
    page.write_text('```python\nprint("seen")\n```\n\nThen:\n\n```python\na = 1\n```\n')
    tool("site_pages").run_page(page)
    assert page.read_text() == (
        '```python\nprint("seen")\n```\n\n```text title="→"\nseen\n```\n\nThen:\n\n'
        "```python\na = 1\n```\n"
    )


def test_a_page_shows_results_of_examples(tool):
    """Where a tutorial asks for them: those of results.json, which no page repeats."""
    rows = [{"task": "a", "model": "GRU", "metric": "nats", "better": "lower", "results": [1, 2]}]
    rows[0] |= {"baseline": ["guessing", 2.5]}
    text = tool("site_pages").with_results(
        "x\n\n<!-- results: one -->\n", {"one": rows}, ["m", "r", "b"]
    )
    line = "| [a](../tasks/one.md): GRU | 1.500, nats ↓ | guessing: 2.5 |"
    assert text == f"x\n\n| m | r | b |\n|---|---|---|\n{line}\n"
    for page in (ROOT / "docs").rglob("*.md"):
        for names in re.findall("<!-- results: (.*) -->", page.read_text("utf-8")):
            assert all((ROOT / "examples" / f"{name}.py").exists() for name in names.split(", "))


def test_every_task_shows_a_picture(tool, tmp_path):
    """Its results as bars, each with its number; before them what its script has drawn, if kept."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    site = tool("site_pages")
    results = json.loads((ROOT / "examples" / "results.json").read_text())
    kept = {path.name for path in (ROOT / "examples" / "pictures").glob("*.png")}
    for name in results:
        text = site.task_page(ROOT / "examples" / f"{name}.py", results, tmp_path)
        drawn = [f"{name}.png"] if f"{name}.png" in kept else []
        shown = re.findall(r"!\[[^\]]+\]\(([\w.]+)\)", text)
        assert shown == [*drawn, f"{name}_results.png"]
        for picture in shown:
            data = (tmp_path / "tasks" / picture).read_bytes()
            assert data[:4] == b"\x89PNG" and len(data) < 80_000, picture
    assert kept <= {f"{name}.png" for name in results}


def test_bars_of_results_are_as_long_as_the_results(tool, tmp_path, monkeypatch):
    """Networks at one task share a panel; a mark for each seed."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from matplotlib.figure import Figure

    row = {"task": "a", "metric": "nats", "better": "lower", "baseline": ["guessing", 2.5]}
    row |= {"others": [["none", 4.0]]}
    rows = [row | {"model": "GRU", "results": [1, 2]}, row | {"model": "LSTM", "results": [3]}]
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: figures.append(figure))
    tool("site_pages").draw_results([*rows, rows[0] | {"task": "b"}], tmp_path / "a.png")
    first, second = figures[0].axes
    assert [bar.get_width() for bar in first.patches] == [1.5, 3, 2.5, 4.0]
    assert [label.get_text() for label in first.get_yticklabels()] == [
        *["GRU", "LSTM", "guessing", "none"]
    ]
    assert [line.get_xdata().tolist() for line in first.lines] == [[1, 2], [3]]
    assert [bar.get_width() for bar in second.patches] == [1.5, 2.5, 4.0]


def test_a_task_names_its_baseline(tool, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    results = json.loads((ROOT / "examples" / "results.json").read_text())
    text = tool("site_pages").task_page(ROOT / "examples" / "stocks.py", results, tmp_path)
    assert "**does not beat** the baseline, always 0" in text
    assert "| GRU, 16 units | **0.4331** |" in text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium is installed")
def test_pages_are_looked_at_in_a_browser(tool, tmp_path):
    """Contrast by WCAG's formula, also over a see-through colour; keys; the width of a page."""
    good, bad = tmp_path / "good.html", tmp_path / "bad.html"
    head = "<!doctype html><meta charset=utf-8><body style='background: #ffffff; color: #000000'>"
    good.write_text(
        f"{head}<p style='color: #767676'>4.54</p><h1 style='color: #949494'>3.03</h1>"
        "<p style='color: #949494'>→</p><button style='cursor: pointer'>key</button>"
        "<svg width=90 height=30><rect width=90 height=30 fill='#000000'></rect>"
        "<text x=5 y=20 fill='#ffffff'>21</text></svg>"
    )
    bad.write_text(
        f"{head}<p style='color: #777777'>4.48</p><h1 style='color: #969696'>2.96</h1>"
        "<div style='background: rgb(0 0 0 / 50%)'>5.3</div>"
        "<div style='background: rgb(0 0 0 / 60%)'>3.66</div>"
        "<b style='cursor: pointer'>mouse</b><div style='width: 500px'>wide</div>"
        "<svg width=90 height=30><rect width=90 height=30 fill='#000000'></rect>"
        "<text x=5 y=20>1</text></svg>"
    )
    found = tool("site_check").faults([good, bad])
    assert set(found) == {(str(bad), 1280), (str(bad), 400)}
    assert [line.split(":")[0].split(",")[0] for line in found[str(bad), 400]] == [
        "contrast 4.48",
        "contrast 2.96",
        "contrast 3.66",
        "contrast 1.00",
        "no key reaches b",
        "508 pixels wide in 400",
    ]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium is installed")
@pytest.mark.parametrize("dark", [False, True])
def test_a_trace_can_be_read_and_reached(tool, tmp_path, dark):
    """Its page, wide and 400 pixels narrow, light and dark: contrast AA, and a key for all."""
    for name, cell in (("lstm", pyrnn.LSTM), ("gru", pyrnn.GRU), ("rnn", pyrnn.RNN)):
        model = pyrnn.Sequential(
            pyrnn.Embedding(9, 3, seed=0), cell(3, 4, seed=1), pyrnn.Linear(4, 3, seed=2)
        )
        trace = pyrnn.trace(model, np.array([1, 2, 3, 8, 0, 5]), tokens=list("abcdef"))
        trace.html(tmp_path / f"{name}.html")
    assert tool("site_check").faults(sorted(tmp_path.glob("*.html")), dark) == {}
