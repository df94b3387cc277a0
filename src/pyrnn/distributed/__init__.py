"""Training one model with many processes, on one machine or several.

`mpiexec -n 4 python train.py` with `pyrnn.Trainer(..., communicator=pyrnn.distributed.MPI())`.
Needs mpi4py and an MPI, the cluster's own or that of a wheel: `pip install mpi4py mpich`;
`import pyrnn` alone does not load them.
"""

from .._base.communicator import Communicator as Communicator
from .._base.face import present as _present
from ._mpi import MPI as MPI

_present(globals())
