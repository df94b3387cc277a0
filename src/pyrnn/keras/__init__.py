"""pyrnn.keras: models that Keras has saved, as modules of pyrnn's.

`load(path)` reads .keras and .h5 files. Needs h5py, `pip install h5py`, and no Keras;
`import pyrnn` alone does not load it. The classes are what such models need beside pyrnn's layers.
"""

from .._base.face import present as _present
from ._containers import MaskedSequential as MaskedSequential
from ._containers import WithStates as WithStates
from ._load import load as load
from ._parts import EndMask as EndMask
from ._parts import Flip as Flip
from ._parts import Halves as Halves
from ._parts import MaskedEmbedding as MaskedEmbedding
from ._parts import Masking as Masking
from ._parts import Repeat as Repeat

_present(globals())
