"""The recurrent layers in files of ONNX, as layers of pyrnn.

Needs the package onnx: `pip install "pyrnn-cpu[onnx]"`; `import pyrnn` alone does not load it.
"""

try:
    import onnx as _onnx  # noqa: F401
except ImportError as error:
    raise ImportError(
        'pyrnn.onnx needs onnx, which is not installed: pip install "pyrnn-cpu[onnx]"'
    ) from error

from .._base.face import present as _present
from ._recurrent_layers import recurrent_layers as recurrent_layers

_present(globals())
