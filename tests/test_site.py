"""Promise: the site has every public name, and its pages lead to each other."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

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


def test_a_task_names_its_baseline(tool, tmp_path):
    import json

    results = json.loads((ROOT / "examples" / "results.json").read_text())
    text = tool("site_pages").task_page(ROOT / "examples" / "stocks.py", results, tmp_path)
    assert "**does not beat** the baseline, always 0" in text
    assert "| GRU, 16 units | **0.4331** |" in text
