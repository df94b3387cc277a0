"""Promise: CRF and CTC refuse what does not fit, by name; the core never crashes, and can stop."""

import numpy as np
import pytest

import pyrnn
from children import run_stopped
from core_calls import assert_all_refused


def test_the_core_refuses_bad_crf_calls():
    assert_all_refused(
        """
        x, w, v, l = zeros(5, 3, 4), zeros(4, 4), zeros(4), np.array([5, 0, 2])
        lengths = [np.array(v) for v in ([6, 0, 0], [-1, 0, 0], [0.0] * 3, [0] * 4)] + not_arrays
        tags = np.zeros((5, 3), i64)
        bad = [np.full((5, 3), n) for n in (4, -1, 2**62)] + [tags.T.copy(), tags.astype(f32)]
        good = dict(x=x, l=l, w=w, s=v, e=v, tags=tags, first=False, n=1)
        wrong = dict(x=wrong_arrays(5, 3, 4)[1:-5] + not_arrays + [zeros(5, 3, 0)], l=lengths,
                     w=wrong_arrays(4, 4) + not_arrays, s=wrong_arrays(4) + not_arrays,
                     e=wrong_arrays(4) + not_arrays, n=[0, -1, None])
        calls(_core.crf_likelihood, good, tags=bad + not_arrays[1:], **wrong)
        good = dict(x=x, l=l, w=w, s=v, e=v, tags=tags, scale=zeros(3), first=False, n=1)
        calls(_core.crf_gradients, good, tags=bad + not_arrays[1:],
              scale=wrong_arrays(3)[:8] + not_arrays, **wrong)
        calls(_core.crf_viterbi, dict(x=x, l=l, w=w, s=v, e=v, first=False, n=1), **wrong)
        """,
        minimum=250,
    )


def test_the_core_refuses_bad_ctc_calls():
    assert_all_refused(
        """
        x, l, labels = zeros(5, 3, 4), np.array([5, 0, 2]), np.ones((3, 2), i64)
        lengths = [np.array(v) for v in ([6, 0, 0], [-1, 0, 0], [0.0] * 3, [0] * 4)] + not_arrays
        bad = [np.full((3, 2), n) for n in (4, -1, 0, 2**62)] + [labels[:2], labels.astype(f32)]
        wrong = dict(x=wrong_arrays(5, 3, 4)[1:-5] + not_arrays + [zeros(5, 3, 0)], l=lengths,
                     blank=[-1, 4, None, "x"], n=[0, None])
        good = dict(x=x, l=l, labels=labels, counts=np.array([2, 0, 1]), scale=zeros(3), blank=0,
                    zero=False, need=True, first=False, n=1)
        counts = [np.array(v) for v in ([3, 0, 0], [-1, 0, 0], [0.0] * 3, [0] * 4)] + not_arrays
        calls(_core.ctc_loss, good, labels=bad + not_arrays, counts=counts,
              scale=wrong_arrays(3)[:8] + not_arrays, **wrong)
        good = dict(x=x, l=l, blank=0, beam=3, first=False, n=1)
        calls(_core.ctc_decode, good, beam=[-1, None, 1.5], **wrong)
        """,
        minimum=110,
    )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"num_tags": 0}, ValueError),
        ({"num_tags": 2.0}, TypeError),
        ({"num_tags": 2**31}, ValueError),
        ({"reduction": "total"}, ValueError),
        ({"reduction": None}, TypeError),
        ({"batch_first": True}, TypeError),
        ({"dtype": "float16"}, TypeError),
        ({"seed": -1}, ValueError),
    ],
)
def test_bad_options_of_a_crf(options, error):
    with pytest.raises(error, match=next(iter(options))):
        pyrnn.CRF(**{"num_tags": 2, **options})
    with pytest.raises(MemoryError, match="CRF"):
        pyrnn.CRF(2**30)


def test_bad_arguments_of_a_crf():
    crf, x, tags = pyrnn.CRF(3), np.zeros((2, 4, 3), np.float32), np.zeros((2, 4), int)
    for call in (crf, crf.vjp, crf.log_likelihood):
        for value in (3, -1):
            wrong = tags.copy()
            wrong[1, 2] = value
            with pytest.raises(ValueError, match=rf"CRF: target\[1, 2\] is {value}, expected 0 <="):
                call(x, wrong)
            call(x, wrong, [4, 2])  # after the end of row 1
        with pytest.raises(ValueError, match=r"CRF: target has shape \(4, 2\), expected \(2, 4\)"):
            call(x, tags.T)
        with pytest.raises(TypeError, match="CRF: target"):
            call(x, tags.astype(float))
    for call in (crf.decode, crf.marginals, lambda x, n=None: crf(x, tags, n)):
        with pytest.raises(TypeError, match=r"emissions has dtype float64.*astype\(np.float32\)"):
            call(x.astype(float))
        for bad in (x[..., :2], x[0], x[None]):
            with pytest.raises(ValueError, match=r"CRF: emissions have shape .*\(N, T, 3\)"):
                call(bad)
        for lengths in ([5, 1], [-1, 1], [1], [[1, 1]]):
            with pytest.raises(ValueError, match="CRF: lengths"):
                call(x, lengths)
    with pytest.raises(TypeError, match="return_scores"):
        crf.decode(x, return_scores=1)


CALLS = {
    "crf": "pyrnn.CRF(60, seed=0).vjp(x, np.zeros(x.shape[:2], int))",
    "decode": "pyrnn.CRF(200, seed=0).decode(np.zeros((16, 40000, 200), 'f4'))",
    "ctc": "pyrnn.losses.CTC().vjp(x, np.ones((64, 1000), int))",
    "beam": "pyrnn.ctc_beam(x, beam_width=100)",
}


@pytest.mark.parametrize("what", CALLS)
def test_ctrl_c_ends_a_long_call(what):
    code = f"""
        pyrnn.set_num_threads(2)
        x = np.zeros((64, 20000, 60), "f4")
        print(ended(lambda: {CALLS[what]}, looks=3))
    """
    assert run_stopped(code) == ["stopped"]
