"""Promise: the core's dense, element-wise and optimizer functions refuse whatever does not fit."""

from core_calls import assert_all_refused


def test_dense_layers():
    assert_all_refused(
        """
        w, b, x, dy = zeros(6, 4), zeros(6), zeros(5, 4), zeros(5, 6)
        calls(_core.linear_pack, dict(w=w, b=b, n=1), w=wrong_arrays(6, 4)[:-7] + not_arrays,
              b=wrong_arrays(6) + not_arrays[1:])
        packed = _core.linear_pack(w, b, 1)
        calls(_core.linear_forward, dict(p=packed, x=x, n=1), p=[None, w],
              x=wrong_arrays(5, 4)[:8] + not_arrays)
        calls(_core.linear_backward, dict(x=x, w=w, dy=dy, dx=True, db=True, n=1),
              x=wrong_arrays(5, 4) + not_arrays, w=wrong_arrays(6, 4) + not_arrays,
              dy=wrong_arrays(5, 6) + not_arrays)
        good = dict(a=zeros(3, 5, 4), b=zeros(3, 4, 6), n=1)
        calls(_core.batched_product, good, a=wrong_arrays(3, 5, 4)[:-3] + not_arrays,
              b=wrong_arrays(3, 4, 6)[:8] + not_arrays + [zeros(3, 5, 6), zeros(2, 4, 6)], n=[0])
        calls(_core.row_sums, dict(x=x, n=1), x=wrong_arrays(5, 4)[1:-5] + not_arrays, n=[0])
        ids = np.array([0, 5, 2])
        bad = [np.array(v) for v in ([6, 0, 0], [-1, 0, 0], [2**62, 0, 0], [0.0, 1.0, 2.0])]
        calls(_core.embedding_forward, dict(w=w, ids=ids, n=1), w=not_arrays,
              ids=bad + not_arrays + [ids.astype(np.int32), ids[::2], ids[:, None]])
        calls(_core.embedding_backward, dict(g=w.copy(), ids=ids, dy=zeros(3, 4)), ids=bad,
              g=not_arrays + [w.astype(f64)], dy=wrong_arrays(3, 4) + not_arrays)
        """,
        minimum=110,
    )


def test_elementwise():
    assert_all_refused(
        """
        x, n = zeros(5, 4), 1
        calls(_core.activation_forward, dict(name="tanh", x=x, n=n), name=["", "gelu", None],
              x=wrong_arrays(5, 4)[1:8] + not_arrays)
        calls(_core.activation_backward, dict(name="tanh", y=x, dy=x, n=n), name=["exp", "x"],
              y=wrong_arrays(5, 4)[:8], dy=wrong_arrays(5, 4) + not_arrays)
        calls(_core.softmax_backward, dict(y=x, dy=x, n=n), dy=wrong_arrays(5, 4) + not_arrays)
        drop = dict(x=zeros(2, 3, 4), p=0.5, seed=0, draw=0, layer=0, n=1)
        calls(_core.dropout, drop, x=not_arrays + [x], p=[-0.1, 1.5, float("nan"), None],
              seed=[-1, None], draw=[-1, "x"])
        target, scale = np.array([0, 3, 1, 2, 0]), zeros(5)
        bad = [np.array(v) for v in ([4, 0, 0, 0, 0], [0, 0, 0, 0, -2], [0.0] * 5, [0] * 4)]
        good = dict(x=x, t=target, scale=np.ones(5, f32), spread=zeros(4), n=1)
        calls(_core.cross_entropy, good, t=bad, x=wrong_arrays(5, 4) + not_arrays,
              scale=wrong_arrays(5) + not_arrays, spread=wrong_arrays(4) + not_arrays[1:])
        good = dict(x=x, w=zeros(4), b=zeros(4), eps=1e-5, n=1)
        calls(_core.layer_norm_forward, good, x=wrong_arrays(5, 4) + not_arrays,
              w=wrong_arrays(4) + not_arrays[1:], b=wrong_arrays(4) + not_arrays[1:])
        good = dict(x=x, w=zeros(4), dy=zeros(5, 4), mean=zeros(5), scale=zeros(5), dx=True,
                    dw=True, n=1)
        calls(_core.layer_norm_backward, good, x=wrong_arrays(5, 4) + not_arrays,
              w=wrong_arrays(4) + not_arrays[1:], dy=wrong_arrays(5, 4) + not_arrays,
              mean=wrong_arrays(5) + not_arrays, scale=wrong_arrays(5) + not_arrays)
        lengths = np.array([5, 0, 2])
        bad = [np.array(v) for v in ([6, 0, 0], [-1, 0, 0], [0.0] * 3, [0] * 4)] + not_arrays
        for function in (_core.time_sum, _core.time_max):
            calls(function, dict(x=zeros(5, 3, 4), l=lengths, first=False, n=1), l=bad,
                  x=wrong_arrays(5, 3, 4)[1:-5] + not_arrays)
        calls(_core.time_spread, dict(dy=zeros(3, 4), l=lengths, T=5, first=False, n=1), l=bad,
              dy=[zeros(2, 4), zeros(3, 4).astype(int), zeros(3)] + not_arrays, T=[4, -1, None])
        """,
        minimum=260,
    )


def test_optimizer_steps():
    assert_all_refused(
        """
        def fresh(): return zeros(3, 2)
        read_only = zeros(3, 2)
        read_only.flags.writeable = False
        bad = wrong_arrays(3, 2) + not_arrays + [read_only]
        calls(_core.sgd_step, dict(p=fresh(), g=fresh(), m=fresh(), lr=0.1, mu=0.9, d=0.0,
              nesterov=False, wd=0.0, first=True, n=1), p=bad, g=bad[:-1],
              m=[b for b in bad if b is not None], lr=["x", None])
        calls(_core.adam_step, dict(p=fresh(), g=fresh(), m=fresh(), v=fresh(), vm=fresh(),
              lr=0.1, glr=0.1, b1=0.9, b2=0.99, eps=1e-8, wd=0.0, keep=1.0, step=1, n=1), p=bad,
              g=bad[:-1], m=bad, v=bad, vm=[b for b in bad if b is not None])
        calls(_core.rmsprop_step, dict(p=fresh(), g=fresh(), s=fresh(), a=fresh(), m=fresh(),
              lr=0.1, alpha=0.9, b=0.1, eps=1e-8, mu=0.9, wd=0.0, n=1), p=bad, g=bad[:-1], s=bad,
              a=[b for b in bad if b is not None])
        calls(_core.scale_in_place, dict(a=fresh(), factor=2.0, n=1),
              a=not_arrays + [read_only, zeros(3, 2).astype(int)])
        calls(_core.sum_squares, dict(a=fresh()), a=not_arrays + [zeros(3, 2).astype(int)])
        calls(_core.all_finite, dict(a=fresh(), n=1), a=not_arrays + [zeros(3, 2).astype(int)])
        """,
        minimum=200,
    )
