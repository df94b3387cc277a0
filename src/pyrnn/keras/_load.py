"""load: Keras' files as pyrnn's modules, and weights of such files for a module that is there."""

from typing import Any

from .._base.checks import MESSAGE, check_path, describe, printable
from .._base.module import Module
from ._archive import CONFIG, WEIGHTS, is_zip, read_archive, read_bytes
from ._config import Layer, parse
from ._hdf5 import Store
from ._into import fill
from ._model import read_model
from ._weights import NamedFile, PathFile


def load(path: Any, model: Any = None) -> Module:
    """The model in a file of Keras, as a module of pyrnn's with its weights.

    `path` is a .keras archive or a legacy .h5 file of a whole model, of Keras 3 or 2; or, with
    `model`, a file of weights alone (.weights.h5, or a legacy one), which are written into that
    module of pyrnn's, layer by layer in its order. Keras is not needed: the file is read with h5py.

    The result is a Sequential of pyrnn's layers, which predicts, trains, streams and is saved as
    any other; where a Masking or an Embedding with `mask_zero` makes a mask, a MaskedSequential;
    where the model returns states, WithStates around it. `pyrnn.load` reads back what those save
    after `import pyrnn.keras`.

    It reads Sequential models and Functional ones whose layers come one after the other, of these
    classes: SimpleRNN, LSTM, GRU, RNN of such cells and of StackedRNNCells, Bidirectional,
    Embedding, Masking, Dense, TimeDistributed, LayerNormalization, GlobalAveragePooling1D,
    GlobalMaxPooling1D, Activation, ReLU, Softmax, Dropout, SpatialDropout1D, Identity,
    ActivityRegularization. Outputs are Keras' in inference. In training, dropout draws other masks:
    that of a recurrent layer's x anew at each step, and SpatialDropout1D none. `stateful` layers
    begin at zero in each call: `y, state = model.run(x, state)` carries their state on. Optimizers,
    losses, regularizers and initializers are left out. A row without real steps gives 0 where
    Keras' mean is 0 / 0.

    ValueError names the file, and the layer that cannot be run: other classes, Lambda and code of a
    user's, which is never executed, other activations, options that are not known; damaged files,
    and HDF5 files with links, filters or more bytes than they hold. OSError for a file that cannot
    be read, ImportError without h5py, TypeError for a model that is no Module.

    Examples
    --------
    >>> import h5py, json, os, tempfile
    >>> dense = {"class_name": "Dense", "config": {"name": "head", "units": 1}}
    >>> config = {"class_name": "Sequential", "config": {"layers": [dense]}}
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "model.h5")
    >>> with h5py.File(path, "w") as file:  # what model.save(path) of Keras writes
    ...     file.attrs["model_config"] = json.dumps(config)
    ...     file["model_weights/head/kernel"] = np.ones((3, 1), np.float32)
    ...     file["model_weights/head/bias"] = np.zeros(1, np.float32)
    ...     file["model_weights"].attrs["layer_names"] = ["head"]
    ...     file["model_weights/head"].attrs["weight_names"] = ["kernel", "bias"]
    >>> model = pyrnn.keras.load(path)
    >>> model, model(np.ones((1, 3), np.float32))
    (Sequential(Linear(in_features=3, out_features=1)), array([[3.]], dtype=float32))
    >>> folder.cleanup()
    """
    path = check_path("load", path)
    if model is not None and not isinstance(model, Module):
        raise TypeError(f"load: model is {describe(model)}, expected a Module of pyrnn's")
    data = read_bytes(path)
    try:
        return _from_archive(data, model) if is_zip(data) else _from_hdf5(data, model)
    except RecursionError:
        raise ValueError(f"{path}: its configuration is nested too deeply") from None
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{path}: {printable(str(error), MESSAGE)}") from None


def _from_archive(data: bytes, model: Module | None) -> Module:
    """The model of a .keras file."""
    _expect_no_model(model)
    members = read_archive(data)
    with Store(members[WEIGHTS]) as store:
        return _described(members[CONFIG], PathFile(store))


def _from_hdf5(data: bytes, model: Module | None) -> Module:
    """The model of a legacy file, or `model` with the weights of a file of weights."""
    with Store(data) as store:
        config = store.words("", "model_config")
        if config is not None:
            _expect_no_model(model)
            return _described(config[0], NamedFile(store, "model_weights"))
        if model is None:
            raise ValueError(
                "the file has weights and no configuration, expected load(path, model) with a "
                "module that they fit"
            )
        return fill(model, store)


def _described(config: str | bytes, file: PathFile | NamedFile) -> Module:
    """The model that a configuration describes, with all weights of a file."""
    model = read_model(Layer(parse(config)), file)
    file.check_complete()
    return model


def _expect_no_model(model: Module | None) -> None:
    if model is not None:
        raise ValueError(
            f"model is {describe(model)}, expected None: the file describes its own model"
        )
