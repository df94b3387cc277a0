"""A look inside a network: every sum, gate, state and gradient of a sequence."""

from ._layer import LayerTrace as LayerTrace
from ._table import TraceTable as TraceTable
from ._trace import Trace as Trace
from ._trace import trace as trace
