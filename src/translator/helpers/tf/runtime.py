"""What PyTorch's runtime offers beside tensors: threads, printing, handles of hooks, memory of other libraries."""

import os
import weakref

import numpy as np
import tensorflow as tf

PRINTED = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """How tensors are printed: NumPy's settings, which TensorFlow follows."""
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    options = dict(PRINTED[profile.lower()]) if profile is not None else {}
    options.update((name, value) for name, value in given.items() if value is not None)
    np.set_printoptions(**options, **({} if sci_mode is None else {"suppress": not sci_mode}))


def get_num_threads():
    """How many threads one operation may use: what was set, or all of the machine."""
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()


class RemovableHandle:
    """An entry of a dictionary of hooks, which ``remove`` (or the end of a ``with`` block) takes out."""

    next_id = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        extras = [] if extra_dict is None else extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self.dicts = [weakref.ref(hooks) for hooks in (hooks_dict, *extras)]
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1

    def remove(self):
        for reference in self.dicts:
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()


def from_dlpack(ext_tensor):
    """A tensor of another library's memory, or of a DLPack capsule."""
    if tf.is_tensor(ext_tensor):
        return ext_tensor
    capsule = ext_tensor.__dlpack__() if hasattr(ext_tensor, "__dlpack__") else ext_tensor
    return tf.experimental.dlpack.from_dlpack(capsule)
