"""pyrnn inside torch: torch's recurrent layers, computed by pyrnn.

`RNN`, `LSTM`, `GRU` and the cells are torch's classes in all but the computation, and
`replace_rnns(model)` lets pyrnn compute those of a model that exists. Needs torch:
`pip install torch`; `import pyrnn` alone does not load it.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "pyrnn.torch needs torch, which is not installed: pip install torch"
    ) from error

from .._base.face import present as _present
from ._cells import GRUCell as GRUCell
from ._cells import LSTMCell as LSTMCell
from ._cells import RNNCell as RNNCell
from ._layers import GRU as GRU
from ._layers import LSTM as LSTM
from ._layers import RNN as RNN
from ._replace import Replacement as Replacement
from ._replace import replace_rnns as replace_rnns
from ._replace import restore_rnns as restore_rnns
from ._state_dict import state_dict as state_dict

_present(globals())
