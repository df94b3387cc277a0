"""Promise: no argument crashes the attention of `_core`; what is wrong is named."""

from core_calls import assert_all_refused

SETUP = """
S, M = 4, 6
keys, values, lengths = zeros(S, B, H), zeros(S, B, M), np.full(B, S)
memory = _core.Memory(keys, values, lengths, None, 1.0)
v = zeros(H)
additive = _core.Memory(keys, values, lengths, v, 1.0)
query = _core.linear_pack(zeros(H, H), None, 1)
other_lengths = [np.full(B, S + 1), np.full(B, -1), np.full(B + 1, 1), lengths.astype(np.int32)]
def attending_stack(cell="gru"):
    return stack(cell, layers=1, bi=False).attending(M)
def weights_of_attending(cell="gru"):
    G = {"l": 4, "g": 3, "r": 1}[cell[0]]
    return [zeros(G*H, I + M), zeros(G*H, H), zeros(G*H), zeros(G*H)]
a_stack = attending_stack()
packed = a_stack.pack(weights_of_attending(), 1)
memories = [
    None, 1, keys,
    _core.Memory(keys.astype(f64), values.astype(f64), lengths, None, 1.0),
    _core.Memory(zeros(S, B + 1, H), zeros(S, B + 1, M), np.full(B + 1, S), None, 1.0),
    _core.Memory(zeros(S, B, H), zeros(S, B, M + 1), lengths, None, 1.0),
    _core.Memory(zeros(S, B, H + 1), zeros(S, B, M), lengths, None, 1.0),
]
"""


def test_memory():
    code = """
    calls(_core.Memory, {"keys": keys, "values": values, "lengths": lengths, "v": v, "scale": 1.0,
                         "p": 0.5, "seed": 1, "draw": 2},
          keys=[*not_arrays, *wrong_arrays(S, B, H)],
          values=[*not_arrays, zeros(S, B + 1, M), zeros(S + 1, B, M), values.astype(f64)],
          lengths=[*not_arrays, *other_lengths],
          v=[zeros(H + 1), zeros(H, 1), v.astype(f64), 1], scale=[None, "x"],
          p=[-0.1, 1.5, float("nan"), None], seed=[-1, 2**64, None], draw=[-1, 2**64, 0.5])
    """
    assert_all_refused(SETUP + _dedented(code), minimum=40)


def test_attention():
    code = """
    queries, weights, contexts = zeros(T, B, H), zeros(T, B, S), zeros(T, B, M)
    calls(_core.attention_forward, {"memory": memory, "queries": queries, "threads": 1},
          memory=memories[:3], queries=[*not_arrays, zeros(T, B + 1, H), zeros(T, B, H + 1),
          queries.astype(f64)], threads=[0, -1, None])
    calls(_core.attention_backward,
          {"memory": additive, "queries": queries, "weights": weights, "dcontexts": contexts,
           "dweights": weights, "threads": 1},
          memory=memories[:3], queries=[*not_arrays, zeros(T, B, H + 1)],
          weights=[*not_arrays, zeros(T, B, S + 1)],
          dcontexts=[*not_arrays, zeros(T + 1, B, M)], dweights=[1, zeros(T, B, S + 1)])
    """
    assert_all_refused(SETUP + _dedented(code), minimum=40)


def test_attending_stack():
    code = """
    x, h0 = zeros(T, B, I), zeros(1, B, H)
    good = {"packed": packed, "memory": memory, "query": query, "x": x, "h0": h0, "c0": None,
            "lengths": np.full(B, T), "threads": 1}
    wrong = {"packed": [None, stack("gru", layers=1, bi=False).pack(
                 [zeros(3*H, I), zeros(3*H, H), zeros(3*H), zeros(3*H)], 1)],
             "memory": memories[:-1],
             "query": [1, _core.linear_pack(zeros(H + 1, H), None, 1),
                       _core.linear_pack(zeros(H, H).astype(f64), None, 1)],
             "x": [*not_arrays, zeros(T, B, I + M), zeros(T, B + 1, I)],
             "h0": [h0[0], zeros(1, B, H + 1)], "c0": [h0], "lengths": [np.full(B, T + 1)],
             "threads": [0]}
    calls(a_stack.attend, good, **wrong)
    calls(a_stack.attend_train, good, **wrong)
    calls(a_stack.attend, good | {"query": None}, memory=memories[3:])
    """
    assert_all_refused(SETUP + _dedented(code), minimum=40)


def test_attending_backward():
    code = """
    x, dy = zeros(T, B, I), zeros(T, B, H)
    def saved(query=query):
        return a_stack.attend_train(packed, memory, query, x, None, None, None, 1)[-1]
    def backward(*given):
        a_stack.attend_backward(saved(), *given)
    calls(backward,
          {"weights": weights_of_attending(), "w_query": zeros(H, H), "dy": dy,
           "dcontexts": zeros(T, B, M), "dhn": zeros(1, B, H), "dcn": None, "need_dx": True,
           "threads": 1},
          weights=[None, [], weights_of_attending()[:3], weights_of_attending("lstm")],
          w_query=[None, zeros(H + 1, H), 1], dy=[1, zeros(T, B, H + M)],
          dcontexts=[1, zeros(T, B, M + 1)], dhn=[zeros(2, B, H)], dcn=[zeros(1, B, H)],
          threads=[0])
    """
    assert_all_refused(SETUP + _dedented(code), minimum=12)


def test_stacks_are_told_apart():
    """A stack that attends is refused where nothing is attended to, and the other way round."""
    code = """
    def refused(call):
        try:
            call()
        except (TypeError, ValueError) as error:
            print(f"call|{type(error).__name__}|{error}")
        else:
            print("call|accepted|")
    x = zeros(T, B, I)
    plain = stack("gru", layers=1, bi=False)
    refused(lambda: a_stack.forward(packed, x, None, None, None, False, 1))
    refused(lambda: a_stack.forward_train(packed, x, None, None, None, False, 1, 1, 0, 1))
    refused(lambda: _core.Stream(a_stack, packed, 1, 1))
    refused(lambda: stack("gru").attending(M))
    refused(lambda: plain.attending(0))
    refused(lambda: plain.attend(packed, memory, query, x, None, None, None, 1))
    saved = a_stack.attend_train(packed, memory, query, x, None, None, None, 1)[-1]
    given = [weights_of_attending(), None, None, None, None, True, 1]
    refused(lambda: a_stack.backward(saved, *given))
    refused(lambda: plain.backward(saved, *given))
    """
    assert_all_refused(SETUP + _dedented(code), minimum=8)


def _dedented(code):
    return "\n".join(line[4:] for line in code.splitlines())
