"""The pages of the site: those of docs/ and others of the repository, the tasks and the reference.

    python tools/site_pages.py build/site/pages

Tutorials are run: what a block prints stands below it, and the files that it writes lie beside the
page. mkdocs.yml says how the pages are arranged.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {  # pages that do not stand in docs/
    "bench/README.md": "speed.md",
    "ARCHITECTURE.md": "architecture.md",
    "RELIABILITY.md": "reliability.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "examples/README.md": "tasks/index.md",
}
HEADS = ("model", "result", "to beat"), ("모델", "결과", "넘어야 할 기준")  # in English, in Korean
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(```.*?```)", re.DOTALL)
BLOCK = re.compile(r"```python\n(.*?)```\n?", re.DOTALL)


def main(folder):
    """Writes all pages into an empty folder."""
    pages = Path(folder).resolve()
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    for name in ("site.css", "site.js"):
        shutil.copy(ROOT / "docs" / name, pages)
    sources = {p.relative_to(ROOT).as_posix(): site_path(p) for p in (ROOT / "docs").rglob("*.md")}
    sources |= ELSEWHERE
    examples = [p for p in (ROOT / "examples").glob("[!_]*.py") if p.stem not in ("fetch", "table")]
    targets = sources | {"README.md": "index.md"}
    targets |= {f"examples/{p.name}": f"tasks/{p.stem}.md" for p in examples}
    results = json.loads((ROOT / "examples" / "results.json").read_text())
    for name, path in sources.items():
        text = with_links(ROOT / name, path, targets, pages)
        write(pages / path, with_results(text, results, HEADS[".ko." in path]))
    for path in examples:
        write(pages / "tasks" / f"{path.stem}.md", task_page(path, results, pages))
    # A page and its translation write files of the same names: not at the same time.
    tutorials = (pages / "tutorials").glob("*.md")
    run(sorted(tutorials, key=lambda page: (".ko." in page.name, page.name)))
    subprocess.run([sys.executable, ROOT / "tools" / "site_reference.py", pages], check=True)


def site_path(path):
    """Where a page of docs/ stands."""
    return path.relative_to(ROOT / "docs").as_posix()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def with_links(source, path, targets, pages):
    """A page whose links lead to the site's pages; pictures come along, other links become text."""

    def moved(match):
        picture, text, address = match.groups()
        address, _, anchor = address.partition("#")
        if re.match(r"[a-z]+:", address) or not address:
            return match[0]
        file = Path(os.path.normpath(source.parent / address))
        if picture and file.exists():
            copy = pages / Path(path).parent / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
            return f"![{text}]({file.name})"
        inside = file.is_relative_to(ROOT)
        known = targets.get(file.relative_to(ROOT).as_posix()) if inside else None
        if known:  # mkdocs chooses between the languages of a page by itself
            here = os.path.relpath(known.replace(".ko.md", ".md"), Path(path).parent)
            return f"[{text}]({here}{'#' + anchor if anchor else ''})"
        written = picture or not file.exists()  # by the page itself, when it runs
        return match[0] if written else text

    parts = FENCE.split(source.read_text("utf-8"))
    return "".join(p if p.startswith("```") else LINK.sub(moved, p) for p in parts)


def with_results(text, results, head):
    """A page with the measured results of examples where it has <!-- results: music, spam -->."""

    def table(match):
        lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for name in re.findall(r"\w+", match[1]):
            for row in results[name]:
                mean, (other, value) = sum(row["results"]) / len(row["results"]), row["baseline"]
                better = {"higher": "↑", "lower": "↓"}[row["better"]]
                lines += [
                    f"| [{row['task']}](../tasks/{name}.md): {row['model']} "
                    f"| {mean:#.4g}, {row['metric']} {better} | {other}: {value:.4g} |"
                ]
        return "\n".join(lines)

    return re.sub(r"<!-- results: (.*?) -->", table, text)


def task_page(path, results, pages):
    """An example: what it does, its results beside the baselines, its picture, its code."""
    source = path.read_text()
    title, _, rest = source.split('"""')[1].strip().partition("\n")
    lines = [f"# {title.rstrip('.')}", "", rest.strip(), ""]
    for row in results.get(path.stem, []):
        mean = sum(row["results"]) / len(row["results"])
        said = "beats" if row["beaten"] else "**does not beat**"
        lines += [f"**{row['task']}**, {row['metric']} ({row['better']} is better):", ""]
        lines += ["| model | value |", "|---|---|", f"| {row['model']} | **{mean:.4g}** |"]
        lines += [f"| {name} | {value:.4g} |" for name, value in (row["baseline"], *row["others"])]
        lines += ["", f"The network {said} the baseline, {row['baseline'][0]}.", ""]
    (pages / "tasks").mkdir(exist_ok=True)
    picture = ROOT / "examples" / "pictures" / f"{path.stem}.png"
    if picture.exists():
        shutil.copy(picture, pages / "tasks")
        lines += [f"![What the script draws: {title}]({picture.name})", ""]
    if path.stem in results:
        bars = f"{path.stem}_results.png"
        draw_results(results[path.stem], pages / "tasks" / bars)
        lines += [f"![The network's results as bars beside those of the baselines]({bars})", ""]
    lines += ["[All tasks](index.md)", "", f'??? example "examples/{path.name}"', ""]
    lines += ["    ```python", *(f"    {line}".rstrip() for line in source.splitlines()), "    ```"]
    return "\n".join(lines) + "\n"


def draw_results(rows, path):
    """Saves bars of the results: the networks' with a mark for each seed, and the baselines'."""
    from matplotlib.figure import Figure

    by_task = {}  # several networks at one task have one panel
    for row in rows:
        by_task.setdefault(row["task"], []).append(row)
    counts = [len(same) + 1 + len(same[0]["others"]) for same in by_task.values()]
    height = 0.3 * sum(counts) + 0.9 * len(counts)
    figure = Figure(figsize=(7.5, height), layout="constrained")
    panels = figure.subplots(len(counts), squeeze=False, height_ratios=[n + 1 for n in counts])
    for axes, same in zip(panels[:, 0], by_task.values(), strict=True):
        bars = [(row["model"], sum(row["results"]) / len(row["results"])) for row in same]
        bars += [same[0]["baseline"], *same[0]["others"]]
        names, values = zip(*bars, strict=True)
        colors = ["#0077bb"] * len(same) + ["0.7"] * (len(bars) - len(same))
        axes.barh(range(len(bars)), values, color=colors, height=0.7)
        ends = list(values)
        for place, row in enumerate(same):
            axes.plot(row["results"], [place] * len(row["results"]), "k|", markersize=9)
            ends[place] = max(row["results"])
        for place, (value, end) in enumerate(zip(values, ends, strict=True)):
            axes.annotate(f" {value:.4g}", (end, place), va="center", fontsize=9)
        axes.set_yticks(range(len(bars)), [textwrap.shorten(name, 45) for name in names])
        axes.set_xlim(0, 1.12 * max(ends))
        axes.invert_yaxis()
        axes.set_title(same[0]["task"], fontsize=10, loc="left")
        axes.set_xlabel(f"{same[0]['metric']}, {same[0]['better']} is better", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    figure.savefig(path, dpi=90)


def run(paths):
    """Runs pages, two at a time, each in a process and in its own folder."""
    command = [sys.executable, "-W", "error::FutureWarning", __file__, "--run"]
    settings = os.environ | {"MPLBACKEND": "Agg", "PYRNN_NUM_THREADS": "1"}
    waiting, running = list(paths), []
    while waiting or running:
        while waiting and len(running) < 2:
            path = waiting.pop(0)
            running.append(
                (path, subprocess.Popen([*command, path], cwd=path.parent, env=settings))
            )
        path, process = running.pop(0)
        if process.wait() != 0:
            for _, other in running:
                other.kill()
            raise SystemExit(f"{path}: its code does not run")


def run_page(path):
    """Runs a page's blocks in order, in one namespace, and writes what they print below them."""
    names = {"__name__": "__main__"}
    text = path.read_text("utf-8")

    def ran(match):
        lines_before = text[: match.start(1)].count("\n")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * lines_before + match[1], str(path), "exec"), names)
        if not printed.getvalue():
            return match[0]
        return f'{match[0].rstrip()}\n\n```text title="→"\n{printed.getvalue().rstrip()}\n```\n'

    text = BLOCK.sub(ran, text)
    if ".ko." in path.name:  # mkdocs puts the page into another folder, and its pages only
        text = re.sub(
            r'<iframe src="([^"]+)"', r'<iframe src="../../tutorials/\1#language=ko"', text
        )
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run_page(Path(sys.argv[2]))
    else:
        main(sys.argv[1])
