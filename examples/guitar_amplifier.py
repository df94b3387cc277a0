"""Learns the sound of a guitar amplifier and becomes the process function of a plug-in, in C.

The amplifier is a simulated one: a coupling capacitor, a stage that saturates more on one side, and
a tone control. An LSTM learns it from what goes in and what comes out, sample by sample, as real
ones are learnt (Wright et al. 2019); the measure is theirs, the energy of the error over that of
the sound, here without a filter in front. `pyrnn.export_c` writes the network as one file of C,
which runs inside a plug-in: it is compiled here with such a plug-in around it, gets blocks of 64
samples as a host gives them, and sounds as in Python.
"""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import pyrnn
from _common import options, report
from _guitar import record

BLOCK, PIECE = 64, 256  # samples
PLUGIN = """
#include "amp.c"

static amp_state channel;

void start(void) { amp_reset(&channel); }

void process(const float* in, float* out, int samples) { amp_run(&channel, in, samples, out); }
"""


def error(y, target):
    """The energy of the error, in % of that of the sound."""
    return 100 * float(np.square(y - target).sum() / np.square(target).sum())


def least_squares(features, train, test):
    """The error of the best sum of features of the input."""
    (x, y), (x_test, y_test) = train, test
    weights = np.linalg.lstsq(features(x), y.ravel(), rcond=None)[0]
    return error(features(x_test) @ weights, y_test.ravel())


def curve(x):
    """Powers of each sample: what an amplifier without memory may be."""
    return x.reshape(-1, 1) ** np.arange(10)


def echo(x):
    """The last 64 samples: what a linear amplifier may be."""
    padded = np.pad(x[..., 0], ((0, 0), (63, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, 64, axis=1).reshape(-1, 64)


def train(recordings, epochs, seed):
    """An LSTM that has listened to the recordings, in pieces that are short and many."""
    pieces = [array.reshape(-1, PIECE, 1) for array in recordings]
    model = pyrnn.Sequential(rnn=pyrnn.LSTM(1, 20, seed=seed), head=pyrnn.Linear(20, 1, seed=seed))
    optimizer = pyrnn.optim.Adam(1e-2)
    schedule = pyrnn.optim.Cosine(optimizer, epochs, per="epoch")
    trainer = pyrnn.Trainer(model, "mse", optimizer, schedule=schedule, clip_norm=1.0, seed=seed)
    trainer.fit(*pieces, epochs=epochs, batch_size=32, progress=False)
    return model


def in_c(model, x):
    """What the plug-in makes of one recording, block by block; None without a compiler."""
    if shutil.which("cc") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        pyrnn.export_c(model, Path(folder) / "amp.c", name="amp")
        (source := Path(folder) / "plugin.c").write_text(PLUGIN)
        library = str(source.with_suffix(".so"))
        build = ["cc", "-std=c99", "-O2", "-shared", "-fPIC", str(source), "-o", library, "-lm"]
        subprocess.run(build, check=True)
        plugin, y = ctypes.CDLL(library), np.zeros_like(x)
        plugin.start()
        for begin in range(0, len(x), BLOCK):
            blocks = (array[begin : begin + BLOCK].ctypes for array in (x, y))
            plugin.process(*(block.data_as(ctypes.c_void_p) for block in blocks), BLOCK)
    return y


def main():
    args = options(__doc__, seeds=2).parse_args()
    count, epochs = (8, 1) if args.quick else (256, 30)
    known, test = record(count, 0), record(count // 4, 1)
    errors = []
    for seed in range(args.seeds):
        model = train(known, epochs, seed)
        errors.append(error(model.predict(test[0]), test[1]))
        print(f"seed {seed}: {errors[-1]:.3g}%", flush=True)
    remark, y = "", in_c(model, test[0][0])
    if y is not None:
        most = np.abs(y - model(test[0][:1])[0]).max()
        remark = f"in C the same to {most:.0e}"
    report(
        args,
        task="sound of an amplifier, as a plug-in in C",
        model="LSTM, 20 units",
        metric="energy of the error in %",
        better="lower",
        results=errors,
        baseline=("the last 64 samples, linear", least_squares(echo, known, test)),
        others=[("each sample's curve", least_squares(curve, known, test))],
        remark=remark,
    )


if __name__ == "__main__":
    main()
