"""pyrnn: recurrent networks on the CPU, trained and run from Python, with kernels in C++.

lstm = pyrnn.LSTM(64, 128, num_layers=2, bidirectional=True, seed=0)
y, (h, c) = lstm(x)                           # inference, x (T, B, 64)
(y, state), pullback = lstm.vjp(x)            # training: the forward pass ...
dx, dstate = pullback(dy)                     # ... and back through time, into every .grad
"""

import typing as _typing

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
from ._base.face import absent as _absent
from ._base.face import present as _present
from ._base.functions import broadcast_to as broadcast_to
from ._base.functions import concat as concat
from ._base.functions import exp as exp
from ._base.functions import log as log
from ._base.functions import sigmoid as sigmoid
from ._base.functions import stack as stack
from ._base.functions import stop_gradient as stop_gradient
from ._base.functions import tanh as tanh
from ._base.functions import where as where
from ._base.installed import warn_of_another as _warn_of_another
from ._base.module import Module as Module
from ._base.parameter import Parameter as Parameter
from ._base.pullback import Pullback as Pullback
from ._base.runtime import active_isa as active_isa
from ._base.runtime import available_isas as available_isas
from ._base.runtime import get_num_threads as get_num_threads
from ._base.runtime import get_precision as get_precision
from ._base.runtime import set_num_threads as set_num_threads
from ._base.runtime import set_precision as set_precision
from ._base.runtime import set_workspace_limit as set_workspace_limit
from ._base.runtime import show_config as show_config
from ._base.runtime import threads as threads
from ._base.seeding import seed as seed
from ._base.summary import Summary as Summary
from ._base.value import Value as Value
from ._base.weights import LoadReport as LoadReport
from ._c import export_c as export_c
from ._files.load import load as load
from ._trace import LayerTrace as LayerTrace
from ._trace import Trace as Trace
from ._trace import TraceTable as TraceTable
from ._trace import trace as trace
from .data import SequenceDataset as SequenceDataset
from .data import StoredDataset as StoredDataset
from .data import Vocabulary as Vocabulary
from .layers import GRU as GRU
from .layers import LSTM as LSTM
from .layers import RNN as RNN
from .layers import Add as Add
from .layers import Concat as Concat
from .layers import Dropout as Dropout
from .layers import Embedding as Embedding
from .layers import Identity as Identity
from .layers import LastStep as LastStep
from .layers import LayerNorm as LayerNorm
from .layers import Linear as Linear
from .layers import MaxPool as MaxPool
from .layers import MeanPool as MeanPool
from .layers import Output as Output
from .layers import Parallel as Parallel
from .layers import ReLU as ReLU
from .layers import Residual as Residual
from .layers import Sequential as Sequential
from .layers import SequentialStream as SequentialStream
from .layers import Sigmoid as Sigmoid
from .layers import Softmax as Softmax
from .layers import Stream as Stream
from .layers import SumPool as SumPool
from .layers import Tanh as Tanh
from .layers import TimeDistributed as TimeDistributed
from .layers import quantize as quantize
from .losses._constraints import bio_constraints as bio_constraints
from .losses._crf import CRF as CRF
from .losses._ctc import ctc_beam as ctc_beam
from .losses._ctc import ctc_greedy as ctc_greedy
from .seq2seq import Attention as Attention
from .seq2seq import AttentionDecoder as AttentionDecoder
from .seq2seq import Seq2Seq as Seq2Seq
from .seq2seq import generate as generate
from .training import Callback as Callback
from .training import CSVLogger as CSVLogger
from .training import EarlyStopping as EarlyStopping
from .training import History as History
from .training import LearningRateCurve as LearningRateCurve
from .training import ModelCheckpoint as ModelCheckpoint
from .training import PruningCallback as PruningCallback
from .training import Trainer as Trainer

__version__ = _core.build_info()["version"]

_present(globals())
_warn_of_another(__path__[0])

if not _typing.TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name):
        _absent(__name__, name)
