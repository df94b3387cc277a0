"""Source: a program and its tables as the text of a C file."""

import re

from .. import _core
from ._functions import Functions
from ._kernels import kernels
from ._tables import Tables

TITLE = """\
/* A recurrent network in one file of C99, which is C++, too. Written by pyrnn {version}.
 *
{summary}
 *
"""
USE = """\
{use}
 *
 * Nothing is allocated, and all weights are const. Beside this file it needs {headers}. Arrays must
 * not overlap, and an int needs 32 bits. Include the file where the model is used. Or compile it by
 * itself; where the model is used, define MODEL_HEADER before including it: that keeps only the
 * declarations. */
"""


def title(summary: str) -> str:
    """How the file begins: the model, with the names that its parts have in Python."""
    return TITLE.format(version=_core.build_info()["version"], summary=comment(summary))


def source(functions: Functions, tables: Tables, affine: str) -> str:
    """What follows the title, of a model that is called "model"."""
    constants, bodies = "\n".join(tables.lines), "\n\n".join(functions.bodies())
    definitions = kernels(f"{constants}\n{bodies}", affine)
    headers = ["math.h", *(["string.h"] if any("memcpy" in code for code in definitions) else [])]
    parts = [
        USE.format(use=comment(use(functions)), headers=" and ".join(headers)),
        declarations(functions),
        "#ifndef MODEL_HEADER",
        *(f"#include <{header}>" for header in headers),
        "",
        *definitions,
        constants,
        f"\n{bodies}\n",
        "#endif\n",
    ]
    text = "\n".join(parts)
    return in_double(text) if tables.real == "double" else text


def use(functions: Functions) -> str:
    """How the functions are called, each with what it does."""
    x = "x[steps]" if functions.takes_ids else "x[steps][MODEL_INPUTS]"
    y = "y[MODEL_OUTPUTS]" if functions.y.made is None else "y[steps][MODEL_OUTPUTS]"
    calls = [("model_state state;", "h and c of all layers")]
    calls += [("model_reset(&state);", "zeros: before each sequence")]
    if functions.has_step:
        of = "an id" if functions.takes_ids else "x[MODEL_INPUTS]"
        calls += [("model_step(&state, x, y);", f"a step: y[MODEL_OUTPUTS] of {of}")]
    if functions.work:
        calls += [("float work[MODEL_WORK(100)];", "for sequences of up to 100 steps")]
    work = ", work" if functions.work else ""
    calls += [(f"model_run(&state, x, steps, y{work});", f"a sequence: {y} of {x}")]
    width = max(len(call) for call, _ in calls)
    lines = [f"  {call:{width}}  {what}" for call, what in calls]
    if functions.takes_ids:
        lines += ["", "A function that takes ids returns 0; or -1, with nothing done, unless all"]
        lines += ["are in 0 <= id < MODEL_IDS."]
    return "\n".join(lines)


def declarations(functions: Functions) -> str:
    """Sizes, the state and the functions."""
    program = functions.program
    first = f"IDS = {program.ids}" if functions.takes_ids else f"INPUTS = {functions.x.width}"
    sizes = [first, f"OUTPUTS = {functions.y.width}"]
    sizes += [f"UNITS = {program.units}"] if program.units else []
    sizes += [f"COLUMNS = {program.columns}"] if program.columns else []
    members = [f"float {name}[{width}];" for name, width in program.states]
    members = members or ["char unused; /* there is no state, and C has no empty struct */"]
    work = [f"#define MODEL_WORK(steps) ({functions.work} * (steps))"] if functions.work else []
    lines = [
        "#ifndef MODEL_DECLARED",
        "#define MODEL_DECLARED",
        *work,
        f"enum {{ {', '.join(f'MODEL_{size}' for size in sizes)} }};",
        "",
        "typedef struct {",
        *(f"  {member}" for member in members),
        "} model_state;",
        "",
        *(f"{head};" for head in functions.heads()),
        "#endif",
        "",
    ]
    return "\n".join(lines)


def comment(text: str) -> str:
    """Lines of a comment; nothing in them ends it, or begins another."""
    text = text.replace("*/", "* /").replace("/*", "/ *")
    return "\n".join(f" * {line}".rstrip() for line in text.splitlines())


def in_double(text: str) -> str:
    """The same with numbers of double precision."""
    text = re.sub(r"\bfloat\b", "double", text)
    text = re.sub(r"\b(exp|tanh|sqrt)f\b", r"\1", text)
    return re.sub(r"\b(\d[\d.]*(?:e-?\d+)?)f\b", r"\1", text)


def renamed(text: str, name: str) -> str:
    """The same of a model of another name."""
    names = {"model": name, "MODEL": name.upper()}
    return re.sub(r"\b(model|MODEL)_", lambda found: f"{names[found[1]]}_", text)
