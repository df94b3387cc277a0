"""Promise: no object of a type of `_core`, however it was made, crashes the process."""

from core_calls import run


def test_what_was_never_initialised():
    """X.__new__(X) of every type, as self of every method and as an argument: a TypeError."""
    rows = run(
        r"""
        import inspect, re
        def refused(what, call):
            try:
                call()
            except TypeError as error:
                print(f"{what}|TypeError|{str(error).splitlines()[0]}")
            else:
                print(f"{what}|accepted|")
        new = {name: value.__new__(value) for name, value in vars(_core).items()
               if isinstance(value, type) and value is not _core.RecordedMethod}
        refused("RecordedMethod", lambda: _core.RecordedMethod.__new__(_core.RecordedMethod))
        for name, raw in new.items():
            for method in (m for m in dir(type(raw)) if not m.startswith(("__", "_pybind11"))):
                function = getattr(type(raw), method)
                if inspect.ismemberdescriptor(function):
                    assert not hasattr(raw, method) or type(getattr(raw, method)) in (int, bool)
                    continue
                if isinstance(function, property):
                    function = function.fget
                count = len(re.findall(r"\w+: ", (function.__doc__ or "").split("->")[0]))
                arguments = [None] * ((count or 2) - 1)
                refused(f"{name}.{method}", lambda: function(raw, *arguments))
        s, x, states = stack(), zeros(T, B, I), [None] * 3
        packed = s.pack(weights(), 1)
        saved = s.forward_train(packed, x, *states, False, 0, 0, 0, 1)[-1]
        for p in (new["Packed"], type("P", (), {})()):
            refused("forward packed", lambda: s.forward(p, x, *states, False, 1))
            refused("train packed",
                    lambda: s.forward_train(p, x, *states, False, 0, 0, 0, 1))
            refused("stream packed", lambda: _core.Stream(stack(bi=False), p, 1, 1))
        refused("stream stack", lambda: _core.Stream(new["Stack"], packed, 1, 1))
        refused("saved",
                lambda: s.backward(new["Saved"], weights(), None, None, None, None, True, 1))
        refused("linear", lambda: _core.linear_forward(new["PackedLinear"], x[0], 1))
        refused("memory", lambda: _core.attention_forward(new["Memory"], x, 1))
        s.backward(saved, weights(), None, None, None, None, True, 1)
        """
    )
    assert not [row for row in rows if row[1] != "TypeError"], rows
    methods = {row[0] for row in rows}
    assert {"Gradients.add_into", "Stack.forward", "Stack.backward", "Stream.reset"} <= methods
    never = [row for row in rows if "__init__ never ran" in row[2]]
    assert len(never) >= len(rows) - 7, rows  # the others are refused for another argument
