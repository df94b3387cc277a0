"""A trace as one page of HTML, which needs no network."""

import json
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from .._base.checks import Array
from ..layers._equations import kept_shares
from ._layer import INFLUENCE_STEPS
from ._table import class_name, gates_of

STEPS = 200  # that a page shows at most
NUMBERS = 50_000  # that it holds at most, about seven bytes each
TERMS = 24  # features and units up to which a sum's terms are shown
MATRIX = 3200  # steps times units up to which |dh_t/dx_s| is shown: a second's work


def page(trace: Any) -> str:
    """The whole page."""
    folder = files(__package__) / "page"
    parts = {
        "/*style*/": (folder / "page.css").read_text("utf-8"),
        "/*drawing*/": (folder / "drawing.js").read_text("utf-8"),
        "/*script*/": (folder / "page.js").read_text("utf-8"),
        "/*data*/": as_script(content(trace)),
    }
    text = (folder / "page.html").read_text("utf-8")
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def in_frame(text: str) -> str:
    """A page inside another one, whose styles and scripts it does not meet."""
    source = escape(text, quote=True)
    return f'<iframe srcdoc="{source}" style="width:100%;height:760px;border:0"></iframe>'


def as_script(data: Any) -> str:
    """Data as JSON that may stand inside a script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def content(trace: Any) -> dict[str, Any]:
    """What the page shows."""
    steps = min(trace.steps, STEPS)
    lines = sum(len(layer.names) + 2 for layer in trace.layers)
    units = max(1, NUMBERS // (lines * steps))
    return {
        "model": repr(trace.model)[:400],
        "steps": steps,
        "allSteps": trace.steps,
        "tokens": list(trace.tokens[:steps]),
        "loss": rounded(np.array(trace.loss)),
        "ownLoss": trace._loss is not None,
        "layers": [_layer(layer, steps, units) for layer in trace.layers],
        "output": _output(trace, steps),
        "influence": rounded(trace.influence()) if _is_quick(trace) else None,
        "attention": {k: rounded(v.reshape(-1, v.shape[-1])) for k, v in trace.attention.items()},
    }


def _is_quick(trace: Any) -> bool:
    """Whether |dh_t/dx_s| of the last layer is soon there, or at all."""
    layer = trace.calls[-1].part
    small = trace.steps <= INFLUENCE_STEPS and trace.steps * layer.hidden_size <= MATRIX
    return small and not any(kept_shares(layer))


def _layer(layer: Any, steps: int, units: int) -> dict[str, Any]:
    """One direction of a layer: its equations and values."""
    direction = layer._direction
    H = min(layer.layer.hidden_size, units)
    width = layer.x.shape[1]
    shows_terms = width <= TERMS and layer.layer.hidden_size <= TERMS and not layer.layer.layer_norm
    norms = layer.gradient_norms
    return {
        "name": layer.name,
        "kind": type(layer.layer).__name__,
        "backwards": layer.reads_backwards,
        "units": H,
        "allUnits": layer.layer.hidden_size,
        "gates": gates_of(layer),
        "equations": [
            {"name": e.name, "text": e.text, "of": list(e.of) if e.block is not None else None}
            for e in direction.equations
        ],
        "values": {name: rounded(layer[name][:steps, :H]) for name in layer.names},
        "x": rounded(layer.x[:steps]) if width <= TERMS else None,
        "weights": _weights(direction, H) if shows_terms else None,
        "norms": {name: rounded(values[:steps]) for name, values in norms.items()},
        "gradients": {
            name: rounded(values[:steps, :H])
            for name, values in (("h", layer.dh), ("c", layer.dc))
            if values is not None
        },
    }


def _weights(direction: Any, H: int) -> dict[str, Any]:
    """The weights of each sum: of a unit, those of all that it adds."""
    sums = [e for e in direction.equations if e.block is not None]
    return {e.name: {k: rounded(w[:H]) for k, w in direction._weights(e).items()} for e in sums}


def _output(trace: Any, steps: int) -> dict[str, Any] | None:
    """y and its softmax, a row a step or one row."""
    if not isinstance(trace.y, np.ndarray) or trace.y.ndim < 2:
        return None
    over_time = trace._time_of(trace.y) is not None
    rows = trace.y.reshape(-1, trace.y.shape[-1])[: steps if over_time else 1, :40]
    p = trace.probabilities
    return {
        "overTime": over_time,
        "y": rounded(rows),
        "p": None if p is None else rounded(p.reshape(-1, p.shape[-1])[: len(rows), :40]),
        "classes": [class_name(trace, k) for k in range(rows.shape[1])],
    }


def rounded(values: Array) -> Any:
    """Numbers in four digits; what is not finite as None."""
    if values.ndim:
        return [rounded(row) for row in values]
    value = float(values)
    return float(f"{value:.4g}") if np.isfinite(value) else None
