"""Whether another distribution has files in the folder of this package."""

import os
import warnings


def warn_of_another(package: str) -> None:
    """A warning if the distribution `pyrnn`, which is somebody else's, lies beside `pyrnn-cpu`.

    Both install a folder `pyrnn`: whichever came last has overwritten files of the other, and to
    uninstall one takes files from the other. `package` is the path of that folder.
    """
    beside = os.path.dirname(package)
    try:
        names = os.listdir(beside)
    except OSError:  # a zip file, or a folder that may not be listed
        return
    for name in names:
        if name.startswith("pyrnn-") and name.endswith((".dist-info", ".egg-info")):
            warnings.warn(
                f"pyrnn: another distribution, {name.rpartition('.')[0]}, has files in {package}, "
                "the folder of pyrnn-cpu. Only one of them can be there: `pip uninstall pyrnn "
                "pyrnn-cpu`, then `pip install pyrnn-cpu`",
                stacklevel=3,
            )
