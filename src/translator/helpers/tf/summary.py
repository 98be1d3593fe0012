"""PyTorch's SummaryWriter over `tf.summary`: the same tags, steps and folders for TensorBoard."""

import os
import socket
import time

import numpy as np
import tensorflow as tf


class SummaryWriter:
    """Writes numbers, images, histograms and text for TensorBoard to a folder."""

    def __init__(
        self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""
    ):
        if log_dir is None:
            log_dir = os.path.join("runs", f"{time.strftime('%b%d_%H-%M-%S')}_{socket.gethostname()}{comment}")
        self.log_dir = str(log_dir)
        self.options = {"max_queue": max_queue, "flush_millis": 1000 * flush_secs, "filename_suffix": filename_suffix}
        self.writers = {}
        self.writer("")

    def writer(self, folder):
        """The writer for a folder below the own one."""
        if folder not in self.writers:
            path = os.path.join(self.log_dir, folder) if folder else self.log_dir
            options = {k: v for k, v in self.options.items() if v != ""}
            self.writers[folder] = tf.summary.create_file_writer(path, **options)
        return self.writers[folder]

    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, new_style=False, double_precision=False):
        with self.writer("").as_default():
            tf.summary.scalar(tag, tf.cast(scalar_value, tf.float32), step=int(global_step or 0))

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Several curves in one chart: each has a folder of its own, as PyTorch writes them."""
        for name, value in tag_scalar_dict.items():
            with self.writer(f"{main_tag.replace('/', '_')}_{name}").as_default():
                tf.summary.scalar(main_tag, tf.cast(value, tf.float32), step=int(global_step or 0))

    def add_histogram(self, tag, values, global_step=None, bins="tensorflow", walltime=None, max_bins=None):
        with self.writer("").as_default():
            tf.summary.histogram(tag, values, step=int(global_step or 0))

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        self.add_images(tag, img_tensor, global_step, walltime, dataformats)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        """Images whose axes the letters of ``dataformats`` name; bytes, or floats from 0 to 1."""
        images = np.asarray(img_tensor)
        letters = dataformats.upper()
        for letter in "NC":
            if letter not in letters:
                images, letters = images[None], letter + letters
        images = images.transpose([letters.index(letter) for letter in "NHWC"])
        if images.shape[-1] == 1:
            images = np.repeat(images, 3, -1)
        with self.writer("").as_default():
            tf.summary.image(tag, images, step=int(global_step or 0), max_outputs=len(images))

    def add_text(self, tag, text_string, global_step=None, walltime=None):
        with self.writer("").as_default():
            tf.summary.text(tag, text_string, step=int(global_step or 0))

    def get_logdir(self):
        return self.log_dir

    def flush(self):
        for writer in self.writers.values():
            writer.flush()

    def close(self):
        for writer in self.writers.values():
            writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
