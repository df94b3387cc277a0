"""pyrnn: recurrent networks on the CPU, trained and run from Python, with kernels in C++.

lstm = pyrnn.LSTM(64, 128, num_layers=2, bidirectional=True, seed=0)
y, (h, c) = lstm(x)                           # inference, x (T, B, 64)
(y, state), pullback = lstm.vjp(x)            # training: the forward pass ...
dx, dstate = pullback(dy)                     # ... and back through time, into every .grad
"""

from ._openmp import bounded_spinning as _bounded_spinning

try:
    with _bounded_spinning():
        from . import _core
except ImportError as error:
    error.add_note(
        "pyrnn's compiled core (pyrnn._core) cannot be loaded. Was the package built for this "
        "Python? `pip install .` in the source folder builds it, and Python must not be started "
        "inside src/, where the uncompiled package would be found first."
    )
    raise

from . import init as init
from . import losses as losses
from . import metrics as metrics
from . import optim as optim
from ._activations import ReLU as ReLU
from ._activations import Sigmoid as Sigmoid
from ._activations import Softmax as Softmax
from ._activations import Tanh as Tanh
from ._attention import Attention as Attention
from ._attention_decoder import AttentionDecoder as AttentionDecoder
from ._callbacks import Callback as Callback
from ._constraints import bio_constraints as bio_constraints
from ._crf import CRF as CRF
from ._ctc import ctc_beam as ctc_beam
from ._ctc import ctc_greedy as ctc_greedy
from ._dataset import SequenceDataset as SequenceDataset
from ._dropout import Dropout as Dropout
from ._early_stopping import EarlyStopping as EarlyStopping
from ._embedding import Embedding as Embedding
from ._files import load as load
from ._generate import generate as generate
from ._gru import GRU as GRU
from ._history import History as History
from ._last_step import LastStep as LastStep
from ._layer_norm import LayerNorm as LayerNorm
from ._linear import Linear as Linear
from ._lstm import LSTM as LSTM
from ._module import Module as Module
from ._module import Pullback as Pullback
from ._parameter import Parameter as Parameter
from ._pooling import MaxPool as MaxPool
from ._pooling import MeanPool as MeanPool
from ._pooling import SumPool as SumPool
from ._rnn import RNN as RNN
from ._runtime import active_isa as active_isa
from ._runtime import available_isas as available_isas
from ._runtime import get_num_threads as get_num_threads
from ._runtime import set_num_threads as set_num_threads
from ._runtime import set_workspace_limit as set_workspace_limit
from ._runtime import show_config as show_config
from ._runtime import threads as threads
from ._seq2seq import Seq2Seq as Seq2Seq
from ._sequential import Sequential as Sequential
from ._stream import SequentialStream as SequentialStream
from ._stream import Stream as Stream
from ._trainer import Trainer as Trainer
from ._vocabulary import Vocabulary as Vocabulary

__version__ = _core.build_info()["version"]

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "RNN",
    "Attention",
    "AttentionDecoder",
    "Callback",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "History",
    "LastStep",
    "LayerNorm",
    "Linear",
    "MaxPool",
    "MeanPool",
    "Module",
    "Parameter",
    "Pullback",
    "ReLU",
    "Seq2Seq",
    "SequenceDataset",
    "Sequential",
    "SequentialStream",
    "Sigmoid",
    "Softmax",
    "Stream",
    "SumPool",
    "Tanh",
    "Trainer",
    "Vocabulary",
    "active_isa",
    "available_isas",
    "bio_constraints",
    "ctc_beam",
    "ctc_greedy",
    "generate",
    "get_num_threads",
    "init",
    "load",
    "losses",
    "metrics",
    "optim",
    "set_num_threads",
    "set_workspace_limit",
    "show_config",
    "threads",
]
