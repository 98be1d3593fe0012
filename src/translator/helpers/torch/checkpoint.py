"""Objects of a training written to files and read back, as TensorFlow's checkpoints are used."""

import glob
import os
import re

import torch


class Checkpoint:
    """Modules, optimizers and tensors by name: ``save`` numbers its files, ``write`` does not."""

    def __init__(self, **objects):
        self.objects = objects
        self.save_counter = 0

    def write(self, file_prefix):
        """Write the state of all objects to a file; returns its path."""
        path = str(file_prefix)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        state = {n: o.state_dict() if hasattr(o, "state_dict") else o.detach() for n, o in self.objects.items()}
        torch.save({"objects": state, "save_counter": self.save_counter}, path)
        return path

    def save(self, file_prefix):
        self.save_counter += 1
        return self.write(f"{file_prefix}-{self.save_counter}")

    def read(self, save_path):
        """Set all objects to the state in a file; without one (``None``) they stay as they are."""
        if save_path is None:
            return self
        found = torch.load(str(save_path), map_location="cpu")
        self.save_counter = found["save_counter"]
        for name, item in self.objects.items():
            state = found["objects"][name]
            if hasattr(item, "load_state_dict"):
                item.load_state_dict(state)
            else:
                item.data.copy_(state)
        return self

    restore = read

    def expect_partial(self):
        return self

    def assert_consumed(self):
        return self

    def assert_existing_objects_matched(self):
        return self


def latest_checkpoint(checkpoint_dir):
    """The path with the highest number in a folder; ``None`` where there is none."""
    found = [(int(m[1]), p) for p in glob.glob(os.path.join(checkpoint_dir, "*")) if (m := re.search(r"-(\d+)$", p))]
    return max(found)[1] if found else None


class CheckpointManager:
    """Numbered checkpoints in one folder, of which the last ``max_to_keep`` stay."""

    def __init__(self, checkpoint, directory, max_to_keep, checkpoint_name="ckpt"):
        self.checkpoint, self.directory, self.max_to_keep = checkpoint, directory, max_to_keep
        self.prefix = os.path.join(directory, checkpoint_name)

    @property
    def checkpoints(self):
        found = glob.glob(f"{self.prefix}-*")
        return sorted(found, key=lambda path: int(path.rsplit("-", 1)[1]))

    @property
    def latest_checkpoint(self):
        return self.checkpoints[-1] if self.checkpoints else None

    def save(self, checkpoint_number=None):
        if checkpoint_number is None:
            path = self.checkpoint.save(self.prefix)
        else:
            path = self.checkpoint.write(f"{self.prefix}-{int(checkpoint_number)}")
        kept = self.checkpoints
        for old in kept[: len(kept) - self.max_to_keep] if self.max_to_keep else []:
            os.remove(old)
        return path
