"""Models as files of ONNX, and the recurrent layers in such files.

Needs the package onnx: `pip install onnx`; `import pyrnn` alone does not load it.
"""

try:
    import onnx as _onnx  # noqa: F401
except ImportError as error:
    raise ImportError("pyrnn.onnx needs onnx, which is not installed: pip install onnx") from error

from .._base.face import present as _present
from . import _seq2seq as _seq2seq  # what export writes of it
from . import _write_graph as _write_graph  # what export writes of a Graph
from ._backend import Backend as Backend
from ._export import export as export
from ._graph import Graph as Graph
from ._load import load as load
from ._recurrent_layers import recurrent_layers as recurrent_layers

_present(globals())
