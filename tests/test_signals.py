"""Promise: Ctrl-C and SIGTERM end whatever pyrnn is at, and leave models and files whole.

A timer's signal comes in the middle of work that would never end, each time a little later. All of
it runs in a child with a time limit. Single long calls of the core are in test_processes.py.
"""

import pytest

from children import ran, run

MODELS = """
    import os, signal, tempfile
    import pyrnn
    from pyrnn import losses, optim

    x, t = np.ones((64, 20, 8), "f4"), np.zeros((64, 1), "f4")
    head = pyrnn.LastStep(), pyrnn.Linear(16, 1, seed=0)
    model = pyrnn.Sequential(pyrnn.GRU(8, 16, seed=0), *head)
    trainer = pyrnn.Trainer(model, losses.MSE(), optim.Adam(), seed=0)
    parts = pyrnn.Embedding(9, 8, seed=0), pyrnn.GRU(8, 16, seed=0), pyrnn.Linear(16, 9, seed=0)
    language, translator = pyrnn.Sequential(*parts), pyrnn.Seq2Seq(9, 9, 4, 8, seed=0)
    logits = np.random.default_rng(0).standard_normal((8, 200, 30)).astype("f4")
    stream = model[:1].stream(batch_size=64)
    folder = tempfile.TemporaryDirectory()
    path = os.path.join(folder.name, "model")

    def again_and_again(work):
        while True:
            work()

    def stopped(work, *arguments):
        '''How often work is ended by a signal that comes 10, 20, ... ms after its beginning.'''
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        ended = 0
        for k in range(1, 9):
            signal.setitimer(signal.ITIMER_REAL, 0.01 * k)
            try:
                work(*arguments)
            except KeyboardInterrupt:
                ended += 1
        return ended
"""
LONG = {
    "fit": "lambda: trainer.fit(x, t, epochs=10**6, progress=False)",
    "predict": "again_and_again, lambda: model.predict(x)",
    "find_lr": "again_and_again, lambda: trainer.find_lr(x, t)",
    "stream": "again_and_again, lambda: stream.step(x[:, 0])",
    "generate": "pyrnn.generate, language, [1, 2], 10**6",
    "beam search": "again_and_again, lambda: translator.generate([[3, 4]], method='beam')",
    "ctc_beam": "again_and_again, lambda: pyrnn.ctc_beam(logits, beam_width=50)",
}


@pytest.mark.parametrize("what", LONG)
def test_ctrl_c_ends_long_work(what):
    """The same objects go on afterwards."""
    code = f"""
    {MODELS}
    print(stopped({LONG[what]}))
    print(np.isfinite(model(x)).all(), np.isfinite(language([[1, 2]])).all())
    trainer.fit(x, t, epochs=1, progress=False)
    stream.reset()
    print(stream.step(x[:, 0]).shape)
    """
    assert run(code) == ["8", "True", "True", "(64,", "16)"]


def test_ctrl_c_while_files_are_written_and_read():
    """After each interrupt the file is one whole version, and nothing lies beside it."""
    code = f"""
    {MODELS}
    def write():
        for p in model.parameters():
            p[...] = p.data + 1
        model.save(path)
    model.save(path)
    print(stopped(again_and_again, write), stopped(again_and_again, lambda: pyrnn.load(path)))
    first = pyrnn.load(path).state_dict()
    write()
    print(os.listdir(folder.name), len(first))
    """
    assert run(code) == ["8", "8", "['model']", "6"]


def test_ctrl_c_while_a_training_writes_checkpoints():
    """Each goes on from the last checkpoint, and the end is that of a training in one piece."""
    code = f"""
    {MODELS}
    def fresh():
        head = pyrnn.LastStep(), pyrnn.Linear(16, 1, seed=0)
        model = pyrnn.Sequential(pyrnn.GRU(8, 16, seed=0), *head)
        return model, pyrnn.Trainer(model, losses.MSE(), optim.Adam(), seed=0)
    def train(epochs=60):
        model, trainer = fresh()
        trainer.fit(x, t, epochs=epochs, progress=False, checkpoint=path, resume=True)
        return model
    whole, trainer = fresh()
    trainer.fit(x, t, epochs=60, progress=False)
    print(stopped(train) > 0)
    print((train()(x) == whole(x)).all(), os.listdir(folder.name))
    """
    assert run(code) == ["True", "True", "['model']"]


@pytest.mark.parametrize("handler", ["signal.SIG_DFL", "lambda *_: sys.exit(3)"])
@pytest.mark.parametrize("what", ["layer(x)", "layer.vjp(x)[1](y)"])
def test_sigterm_ends_a_process_whose_threads_are_at_work(what, handler):
    """By the signal itself, or by what its handler raises, with the exit status that it says."""
    code = f"""
        import atexit, signal, sys, pyrnn
        pyrnn.set_num_threads(2)
        layer, x = pyrnn.LSTM(128, 128, seed=0), np.zeros((64, 400, 128), "f4")
        y, _ = layer(x)
        atexit.register(print, "bye")
        signal.signal(signal.SIGTERM, {handler})
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        while True:
            {what}
    """
    child = ran(code)
    expected = (-15, "") if "DFL" in handler else (3, "bye\n")
    assert (child.returncode, child.stdout) == expected, child.stderr[-2000:]
