"""Promise: the Python of README.md and docs/ runs when it is pasted block after block."""

import ast
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
TOPS = ("src", "tests", "bench", "docs", "examples", "tools", "conda", "licenses", ".ci", ".github")


def blocks(name):
    """The Python blocks of a page, each with its own line numbers."""
    text = (ROOT / name).read_text()
    for match in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        lines_before = text[: match.start(1)].count("\n")
        yield compile("\n" * lines_before + match[1], name, "exec")


@pytest.mark.parametrize(
    ("name", "count", "printed"),
    [
        (
            "README.md",
            3,
            [
                r"right: (0\.[89]\d*|1\.0)\n",
                r"the same: True\n",
                r"forecaster +0\.3\d+\n",
                r"seasonal least squares +0\.4\d+\n",
            ],
        ),
        (
            "docs/guide.md",
            10,
            [
                r"right: (0\.9\d*|1\.0)\n",
                r"MASE: 0\.[34]\d+\n",
                r"forecaster +0\.[34]\d+\n",
                r"seasonal least squares +0\.[45]\d+\n",
            ],
        ),
    ],
)
def test_pages_run(name, count, printed, tmp_path, monkeypatch, capfd):
    """In order and in one namespace, as a reader would; what they print is what they promise."""
    text = (ROOT / name).read_text()
    for package, sign in (("sklearn", "sklearn"), ("pandas", "import pandas")):
        if sign in text:
            pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    codes = list(blocks(name))
    assert len(codes) >= count
    for code in codes:
        exec(code, names)
    out = capfd.readouterr().out
    for pattern in printed:
        assert re.search(pattern, out), out


OWN_TESTS = {"guide.md", "torch.md", "models.md", "scaling.md"}  # above, test_*_docs, test_mpi
PAGES = [
    page.relative_to(ROOT).as_posix()
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if page.name not in OWN_TESTS and "```python" in page.read_text()
]
SLOW = {page for page in PAGES if "long-memory" in page}  # `make docs` runs them, too
TRANSLATED = ["index", "torch", "keras", "sklearn", "serving", "notes", "tutorials/index"]
TRANSLATED += [f"tutorials/{n}" for n in ("one-cell", "shapes", "five-shapes", "two-directions")]
TRANSLATED += ["tutorials/gates", "tutorials/long-memory"]


@pytest.mark.parametrize(
    "name", [pytest.param(p, marks=pytest.mark.slow) if p in SLOW else p for p in PAGES]
)
def test_other_pages_run(name, tmp_path, monkeypatch):
    """Start pages, guides and tutorials in both languages; a tutorial's assertions hold."""
    text = (ROOT / name).read_text()
    for package in ("matplotlib", "sklearn", "torch"):
        if re.search(rf"^(import|from) {package}", text, re.MULTILINE):
            pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setitem(sys.modules, "__main__", page := ModuleType("__main__"))  # for workers
    names = vars(page)
    for code in blocks(name):
        exec(code, names)
    pictures = set(re.findall(r"!\[[^\]]+\]\(([\w-]+\.png)\)", text))
    pictures |= set(re.findall(r'<iframe src="([^"]+)"', text))
    assert pictures <= {path.name for path in tmp_path.iterdir()}


def without_words(name):
    """The code of a page without its texts."""
    for block in re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = ""
            elif isinstance(node, ast.JoinedStr):
                node.values = [v for v in node.values if isinstance(v, ast.FormattedValue)]
        yield ast.dump(tree)


@pytest.mark.parametrize("name", TRANSLATED)
def test_both_languages_show_the_same_code(name):
    """The Korean page has an English one beside it, and runs the same."""
    korean = (ROOT / f"docs/{name}.ko.md").read_text()
    assert re.search("[가-힣]", korean)
    if name != "torch":  # whose Korean page is shorter
        assert [*without_words(f"docs/{name}.md")] == [*without_words(f"docs/{name}.ko.md")]


def paths(text):
    """What stands in backticks and looks like a file or a folder of the repository."""
    for quoted in re.findall(r"`([\w./-]+)`", text):
        if "/" in quoted.rstrip("/") or re.search(r"\w\.(py|pyi|h|cpp|md|txt|toml)$", quoted):
            yield quoted


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions.md"])
def test_paths_exist(name):
    """A file may be named by the end of its path, from the repository's root or below src."""
    files = [p.relative_to(ROOT) for top in TOPS for p in (ROOT / top).rglob("*")]
    known = {"/".join(p.parts[i:]) for p in files for i in range(len(p.parts))}
    known |= {p.name for p in ROOT.iterdir()}
    missing = [p for p in paths((ROOT / name).read_text()) if p.rstrip("/") not in known]
    assert not missing


LINKED = [*ROOT.glob("*.md"), ROOT / "examples/README.md", ROOT / "bench/README.md"]
LINKED += sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", LINKED, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    """In the repository, where no page of the site is; a tutorial draws its own pictures."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    dead = []
    for picture, address in re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)\)", text):
        path, _, anchor = address.partition("#")
        if re.match(r"[a-z]+:", address) or (picture and page.parent.name == "tutorials"):
            continue
        target = page.parent / path if path else page
        headings = (
            anchors(target) if anchor and target.suffix == ".md" and target.exists() else {anchor}
        )
        if not target.exists() or anchor not in headings:
            dead.append(address)
    assert not dead


def anchors(page):
    """The addresses of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title.strip().lower()) for title in titles]
    return {title.replace(" ", "-") for title in plain}


def test_pictures_of_the_front_pages_are_small():
    """Those of both READMEs, and those that scripts of examples have drawn: below 60 kB."""
    found = {ROOT / p for p in (ROOT / "examples" / "pictures").iterdir()}
    for page in ("README.md", "README.ko.md"):
        addresses = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / page).read_text("utf-8"))
        assert len(addresses) >= 3, page
        found |= {ROOT / address for address in addresses}
    assert {str(p) for p in found if p.stat().st_size >= 60_000} == set()
