"""Objects that offer DLPack capsules of any content, as a broken library might make them."""

import ctypes

import numpy as np

CPU, CUDA = 1, 2
INT, UINT, FLOAT, BFLOAT = 0, 1, 2, 4


class DLTensor(ctypes.Structure):
    """The C struct of DLPack, with the DLManagedTensor's two last fields behind it."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


class Forged:
    """An array's memory, described by a capsule with some fields changed."""

    def __init__(self, array, *, device=CPU, name=b"dltensor", strides=None, **changes):
        self.array = np.ascontiguousarray(array)
        self.told_device, self.capsule_name = device, name
        sizes = ctypes.c_int64 * max(1, array.ndim)
        self.shape = sizes(*array.shape)
        self.strides = sizes(*strides) if strides else None
        fields = {
            "data": self.array.ctypes.data, "device_type": CPU, "device_id": 0,
            "ndim": array.ndim, "code": FLOAT, "bits": 8 * array.itemsize, "lanes": 1,
            "shape": self.shape, "strides": self.strides,
        }  # fmt: skip
        self.tensor = DLTensor(**fields | changes)

    def __dlpack__(self, **options):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = (
            ctypes.py_object,
            [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
        )
        return new(ctypes.addressof(self.tensor), self.capsule_name, None)

    def __dlpack_device__(self):
        return self.told_device, 0
