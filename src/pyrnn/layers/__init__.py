"""Layers: parts of a network, from the recurrent ones to Sequential, which joins them."""

from . import _autoregression as _autoregression  # a part of forecasters, which files may name
from ._activations import Identity as Identity
from ._activations import ReLU as ReLU
from ._activations import Sigmoid as Sigmoid
from ._activations import Softmax as Softmax
from ._activations import Tanh as Tanh
from ._branches import Add as Add
from ._branches import Concat as Concat
from ._branches import Parallel as Parallel
from ._branches import Residual as Residual
from ._cells import GRU as GRU
from ._cells import LSTM as LSTM
from ._cells import RNN as RNN
from ._container import Output as Output
from ._dropout import Dropout as Dropout
from ._embedding import Embedding as Embedding
from ._layer_norm import LayerNorm as LayerNorm
from ._linear import Linear as Linear
from ._over_time import LastStep as LastStep
from ._over_time import MaxPool as MaxPool
from ._over_time import MeanPool as MeanPool
from ._over_time import SumPool as SumPool
from ._quantize import quantize as quantize
from ._sequential import Sequential as Sequential
from ._sequential_stream import SequentialStream as SequentialStream
from ._stream import Stream as Stream
from ._time_distributed import TimeDistributed as TimeDistributed
