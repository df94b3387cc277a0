"""python -m pyrnn.bench: how fast pyrnn is on this machine, in a minute.

Eight programs that people write, each timed in turn with the same program in torch, JAX and ONNX
Runtime where these are installed. The outputs and gradients of all are compared first.
The last lines are a row of Markdown, for `bench/machines.md` in pyrnn's repository.
"""

from .._base.face import present as _present

_present(globals())
