"""Files as Keras writes them, made with h5py and zipfile alone."""

import io
import json
import zipfile

import h5py
import numpy as np


def layer(kind, name=None, module="keras.layers", **options):
    """A layer's configuration."""
    config = {"name": name or kind.lower(), "trainable": True, "dtype": "float32"} | options
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def sequential(*layers, name="sequential"):
    """A model's configuration."""
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": name, "layers": list(layers)},
        "registered_name": None,
    }


def cell_arrays(gates, inputs, units, bias=(), fill=None, seed=0):
    """Kernel, recurrent kernel and bias in Keras' layout: drawn, or the constants in `fill`."""
    rng = np.random.default_rng(seed)
    shapes = [(inputs, gates * units), (units, gates * units)]
    shapes += [(*bias, gates * units)] if bias is not None else []
    if fill is None:
        return [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    return [np.full(shape, value, np.float32) for shape, value in zip(shapes, fill, strict=False)]


def weights_file(arrays):
    """The bytes of a .weights.h5 file of arrays by the paths of their lists."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_group("layers")
        for path, listed in arrays.items():
            for i, array in enumerate(listed):
                file[f"layers/{path}/vars/{i}"] = array
    return buffer.getvalue()


def archive(config, weights, compression=zipfile.ZIP_STORED, **more):
    """The bytes of a .keras file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        file.writestr("model.weights.h5", weights)
        for name, data in more.items():
            file.writestr(name, data)
    return buffer.getvalue()


def keras_file(layers, arrays, **options):
    """The bytes of a .keras file of a Sequential model."""
    return archive(sequential(*layers), weights_file(arrays), **options)


def legacy_file(layers, weights):
    """The bytes of a legacy .h5 file: weights as {layer: {variable: array}}."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        config = sequential(*layers)
        file.attrs["model_config"] = json.dumps(config)
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = np.array([entry["config"]["name"] for entry in layers], "S")
        for entry in layers:
            name = entry["config"]["name"]
            own = weights.get(name, {})
            group = root.create_group(name)
            group.attrs["weight_names"] = [variable.encode() for variable in own]
            for variable, array in own.items():
                group[variable] = array
    return buffer.getvalue()
