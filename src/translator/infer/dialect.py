"""What the inference must know about a source framework beyond its tables."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Direction


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names that give a framework's programs their structure."""

    roots: frozenset[str]
    """First components of the qualified names that belong to the framework."""
    module_bases: frozenset[str]
    """Classes whose subclasses are layers or models."""
    forward: tuple[str, ...]
    """The methods that run when such an object is called, in order of preference."""
    tensor: str
    """The tensor class, under which the rows of methods and properties stand."""
    methods: tuple[str, ...]
    """Classes whose methods a value that nothing is known of may be meant to have."""
    tensor_types: frozenset[str]
    """Names that annotate tensors."""
    parameter_types: frozenset[str]
    containers: dict[str, str]
    """Container classes: qualified name to ``sequential``, ``list`` or ``dict``."""


TORCH = Dialect(
    roots=frozenset({
        "torch", "torchvision", "torchaudio", "torchtext", "torchmetrics", "triton", "pytorch_lightning", "lightning",
        "accelerate", "fastai", "ignite", "apex",
    }),
    module_bases=frozenset({
        "torch.nn.Module", "torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict",
        "torch.jit.ScriptModule",
    }),
    forward=("forward",),
    tensor="torch.Tensor",
    methods=("torch.Tensor", "torch.nn.Module"),
    tensor_types=frozenset({
        "torch.Tensor", "torch.FloatTensor", "torch.LongTensor", "torch.BoolTensor", "torch.IntTensor",
        "torch.DoubleTensor", "torch.HalfTensor", "torch.ByteTensor", "torch.cuda.FloatTensor",
        "torch.autograd.Variable",
    }),
    parameter_types=frozenset({"torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.nn.Buffer"}),
    containers={
        "torch.nn.Sequential": "sequential", "torch.nn.ModuleList": "list", "torch.nn.ModuleDict": "dict",
        "torch.nn.ParameterList": "list", "torch.nn.ParameterDict": "dict",
    },
)  # fmt: skip

TF = Dialect(
    roots=frozenset({"tensorflow", "tf", "keras", "tf_keras"}),
    module_bases=frozenset({"keras.Model", "keras.layers.Layer", "keras.Layer", "keras.Sequential", "tf.Module"}),
    forward=("call", "__call__"),
    tensor="tf.Tensor",
    methods=("tf.Tensor",),
    tensor_types=frozenset({"tf.Tensor", "keras.KerasTensor", "tf.Variable"}),
    parameter_types=frozenset({"tf.Variable", "keras.Variable"}),
    containers={"keras.Sequential": "sequential", "tf.xlate.Sequential": "sequential", "tf.xlate.ModuleDict": "dict"},
)

DIALECTS = {Direction.TORCH2TF: TORCH, Direction.TF2TORCH: TF}
