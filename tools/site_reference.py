"""The reference of the site: every public name with its signature, docstring and methods.

python tools/site_reference.py build/site/pages
"""

import importlib
import inspect
import re
import sys
from pathlib import Path

from public_api import FOLDER

TITLES = {  # of the namespaces, in order; those that need another package come last
    "pyrnn": "Layers, training and the rest",
    "pyrnn.losses": "Losses",
    "pyrnn.metrics": "Metrics",
    "pyrnn.optim": "Optimizers and schedules",
    "pyrnn.init": "Initial weights",
    "pyrnn.estimators": "Estimators with scikit-learn's conventions",
    "pyrnn.onnx": "ONNX",
    "pyrnn.keras": "Keras",
    "pyrnn.torch": "torch",
    "pyrnn.distributed": "Training in many processes",
}


def main(folder):
    """A page for each namespace, and one that lists all names."""
    pages = Path(folder) / "reference"
    pages.mkdir(parents=True, exist_ok=True)
    lines = ["# Reference", "", "Every public name. `pyrnn.torch`, `pyrnn.onnx`, `pyrnn.keras` and"]
    lines += ["`pyrnn.estimators` are imported by their own names.", ""]
    for namespace, title in TITLES.items():
        names = public(namespace)
        lines += [f"## [{title}: `{namespace}`]({namespace}.md)", ""]
        lines += [", ".join(f"[`{name}`]({namespace}.md#{anchor(name)})" for name in names), ""]
        body = [f"# `{namespace}`", "", f"{title}.", ""]
        for name, thing in names.items():
            body += entry(namespace, name, thing)
        (pages / f"{namespace}.md").write_text("\n".join(body), "utf-8")
    (pages / "index.md").write_text("\n".join(lines), "utf-8")


def public(namespace):
    """The names of a namespace that the snapshot of the API lists, and what they are."""
    module = importlib.import_module(namespace)
    listed = (FOLDER / f"{namespace}.txt").read_text()
    names = re.findall(r"^(?:class )?(\w+)", listed, re.MULTILINE)
    found = {name: getattr(module, name, None) for name in dict.fromkeys(names)}
    return {n: o for n, o in found.items() if o is not None and not inspect.ismodule(o)}


def anchor(name):
    return f"name-{name}"


def entry(namespace, name, thing):
    """A name's heading, signature, text, and the methods that its class itself defines."""
    yield from (f"## `{name}` {{ #{anchor(name)} }}", "", "```python")
    yield from (f"{namespace}.{name}{signature(thing)}", "```", "")
    yield from text_of(inspect.getdoc(thing) or "")
    if inspect.isclass(thing):
        for method, function in vars(thing).items():
            if method[0] != "_" and (
                inspect.isfunction(function) or isinstance(function, property)
            ):
                shown = "" if isinstance(function, property) else signature(function)
                yield from (f"**`.{method}{shown}`**", "")
                yield from text_of(inspect.getdoc(function) or "")
    yield ""


def signature(thing):
    """The parameters without their types, which would fill lines."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    plain = [p for p in plain if p.name != "self"]
    return str(inspect.Signature(plain))


def text_of(doc):
    """A docstring as Markdown: equations and examples as they stand, the rest as paragraphs."""
    text, _, example = doc.partition("\nExamples\n--------\n")
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if len(lines) > 1 and re.fullmatch("-+", lines[1]):  # the heading of a section
            yield from (f"**{lines[0]}**", "")
            lines = lines[2:]
        if all(line.startswith("  ") for line in lines):
            yield from ("```text", *lines, "```", "")
        else:
            yield from (*(escaped(line) for line in as_list(lines)), "")
    if example.strip():
        yield from ("```pycon", *example.strip().splitlines(), "```", "")


def as_list(lines):
    """The lines "name : what" of arguments as a list."""
    for line in lines:
        if re.match(r"\w[\w, ]* : ", line):
            name, _, what = line.partition(" : ")
            yield f"\n- `{name}`: {what}"
        else:
            yield line


def escaped(line):
    """What Markdown would read as emphasis, a link or a tag stays text, code aside."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        p if p.startswith("`") else re.sub(r"([*\[\]<>|])", r"\\\1", p).replace("\\-", "-")
        for p in parts
    )


if __name__ == "__main__":
    main(sys.argv[1])
