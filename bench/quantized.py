"""Quantized models beside the float32 model, one row and a batch: ratios of times by turns.

    python bench/quantized.py --threads 1 --rounds 15 [--sizes 256 512 1024] [--peer]

`step` is a stream's step, `whole` a sequence of T = 100, `batch` one of 32 rows. Rounds interleave
the models; a ratio is the median over the rounds. `error` is the root mean square of the difference
to float32's outputs over that of these outputs. `--peer` adds ONNX Runtime's LSTM for whole
sequences: float32, and quantized by its `quantize_dynamic` to 8 bits, or 7 with `reduce_range`.
"""

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import pyrnn

T, BATCH, TURN = 100, 32, 0.03  # steps, rows, seconds of a turn


def calls_of(layer):
    """{work: a call without arguments} of a layer."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, T, layer.input_size)).astype(np.float32)
    stream, out = layer.stream(), np.empty(layer.hidden_size, np.float32)
    x_t, row = x[0, 0].copy(), x[:1].copy()
    return {
        "step": lambda: stream.step(x_t, out),
        "whole": lambda: layer(row)[0],
        "batch": lambda: layer(x)[0],
    }


def peers_of(layer, folder, threads):
    """{name: {work: call}} of ONNX Runtime."""
    import onnxruntime
    from onnxruntime.quantization import quantize_dynamic

    import pyrnn.onnx

    forms = {"ort float32": None, "ort int8": {}, "ort int7": {"reduce_range": True}}
    wide = str(Path(folder) / "wide.onnx")
    pyrnn.onnx.export(layer, wide)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    x = np.random.default_rng(0).standard_normal((BATCH, T, layer.input_size)).astype(np.float32)
    found = {}
    for name, options_of_form in forms.items():
        path = wide if options_of_form is None else str(Path(folder) / f"{name}.onnx")
        if path != wide:
            quantize_dynamic(wide, path, **options_of_form)
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        name_of_x = session.get_inputs()[0].name
        found[name] = {
            "whole": partial(session.run, ["y"], {name_of_x: x[:1]}),
            "batch": partial(session.run, ["y"], {name_of_x: x}),
        }
    return found


def seconds(call):
    """Of one call, in a turn of many."""
    count, start = 0, time.perf_counter()
    while True:
        call()
        count += 1
        passed = time.perf_counter() - start
        if passed > TURN:
            return passed / count


def error(y, exact):
    """Root mean square of the difference over that of `exact`."""
    return np.linalg.norm(y.reshape(exact.shape) - exact) / np.linalg.norm(exact)


def measure(models, work, rounds):
    """{name: (median seconds, median of float32's time over its own, error)}."""
    calls = {name: of[work] for name, of in models.items() if work in of}
    outputs = {name: np.asarray(call()) for name, call in calls.items()}
    names, times = list(calls), {name: [] for name in calls}
    for r in range(rounds):
        for name in names[r % len(names) :] + names[: r % len(names)]:
            times[name].append(seconds(calls[name]))
    wide = times["float32"]
    return {
        name: (
            statistics.median(own),
            statistics.median(a / b for a, b in zip(wide, own, strict=True)),
            error(outputs[name], outputs["float32"]),
        )
        for name, own in times.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--peer", action="store_true")
    given = parser.parse_args()
    pyrnn.set_num_threads(given.threads)
    print(f"{pyrnn.active_isa()}, {given.threads} thread(s), {given.rounds} rounds\n")
    print("| layer | work | model | us | float32 over it | error |\n|---|---|---|---|---|---|")
    for cls in (pyrnn.LSTM, pyrnn.GRU, pyrnn.RNN):
        for H in given.sizes:
            layer = cls(H, H, seed=0)
            models = {"float32": calls_of(layer)}
            models |= {form: calls_of(pyrnn.quantize(layer, form)) for form in ("bf16", "int8")}
            with tempfile.TemporaryDirectory() as folder:
                if given.peer and cls is pyrnn.LSTM:
                    models |= peers_of(layer, folder, given.threads)
                for work in ("step", "whole", "batch"):
                    for name, (own, ratio, wrong) in measure(models, work, given.rounds).items():
                        text = f"{own * 1e6:.1f} | {ratio:.2f} | {wrong:.1g}"
                        print(f"| {cls.__name__} {H} | {work} | {name} | {text} |", flush=True)


if __name__ == "__main__":
    main()
