"""Faults to plant in a translation to PyTorch, and edits that leave it right; see `faults` for the other direction.

What is edited is ``fixtures/tf_mixed/edited_torch.py``.
"""

from __future__ import annotations

from typing import Any

from faults import Fault

INPUTS: list[dict[str, Any]] = [{"x": "float[2,16,24,3]"}, {"x": "float[3,16,24,3]"}]
SAME = "SameConv2d(width, width, 3, stride=strides, bias=False)"
FLAT = "self.flatten(x.permute(0, 2, 3, 1))"

FAULTS = [
    # -- settings of layers
    Fault("epsilon of a batch norm", "block1.bn1", "eps=0.001", "eps=1e-05", "self.bn1"),
    Fault("momentum the wrong way round", "block1.bn2", "momentum=0.2", "momentum=0.8", "self.bn2"),
    Fault("epsilon of a layer norm", "norm", "eps=1e-05", "eps=1e-03", "self.norm"),
    Fault("slope of a leaky ReLU", "block1.act", "LeakyReLU(0.1)", "LeakyReLU(0.3)"),
    Fault("same padding at stride 2", "block1.conv1", SAME,
          "nn.Conv2d(width, width, 3, stride=strides, padding=1, bias=False)"),
    Fault("mode of padding", "stem", "padding=1)", 'padding=1, padding_mode="reflect")', "self.stem"),
    Fault("average for maximum", "pool", "MaxPool2d(2)", "AvgPool2d(2)"),
    Fault("rate of dropout", "attention.drop", "Dropout(0.1)", "Dropout(0.9)"),
    Fault("a bias too many", "attention.value", "nn.Linear(width, width, bias=False)", "nn.Linear(width, width)", "self.value"),
    Fault("no bias", "attention.merge", "nn.Linear(width, width)", "nn.Linear(width, width, bias=False)", "self.merge"),
    Fault("kernel of a depthwise convolution", "block1.depthwise", "3, padding=1", "5, padding=2", "self.depthwise"),
    Fault("groups of a convolution", "block1.depthwise", "groups=width", "groups=1", "self.depthwise"),
    Fault("batch_first", "lstm", "batch_first=True", "batch_first=False", "self.lstm"),
    Fault("batch_first of a GRU", "gru", "batch_first=True", "batch_first=False", "class KerasGRU"),
    Fault("another activation", "side*", "nn.Tanh()", "nn.Sigmoid()", "self.side"),
    Fault("affine off", "norm", "eps=1e-05", "eps=1e-05, elementwise_affine=False", "self.norm"),
    Fault("a frozen bias", "lstm", "zero_()", "zero_(); self.lstm.bias_ih_l0.requires_grad_(False)", "self.lstm", elsewhere=True),
    Fault("stride of a block", "block1*", "Block(width, 2)", "Block(width, 1)", elsewhere=True),
    # -- code of layers
    Fault("approximate GELU", "block1", "F.gelu(y + self.shortcut(x))", 'F.gelu(y + self.shortcut(x), approximate="tanh")'),
    Fault("order of norm and activation", "block1", "self.act(self.bn1(self.conv1(x)))", "self.bn1(self.act(self.conv1(x)))"),
    Fault("a layer left out", "block1", "self.bn2(self.depthwise(y))", "self.depthwise(y)"),
    Fault("a shortcut left out", "block1", "y + self.shortcut(x)", "y"),
    Fault("axis of softmax", "attention", "F.softmax(scores, dim=-1)", "F.softmax(scores, dim=-2)"),
    Fault("scale of attention", "attention", "** 0.5", "** 1.0"),
    Fault("heads split without a transpose", "attention", "return x.transpose(1, 2)", "return x.reshape(x.shape[0], self.heads, -1, self.size)"),
    Fault("heads merged without a transpose", "attention", "torch.matmul(weights, v).transpose(1, 2)", "torch.matmul(weights, v)"),
    Fault("padding at the wrong end", "block1.conv1", "total // 2, total - total // 2", "total - total // 2, total // 2", elsewhere=True),
    # -- code of the model
    Fault("ReLU for ReLU6", "", "F.relu6(", "F.relu("),
    Fault("one block twice", "", "self.block2(self.block1(x))", "self.block2(self.block2(self.block1(x)))"),
    Fault("missing transpose before flatten", "", FLAT, "self.flatten(x)"),
    Fault("missing transpose before tokens", "", "x.permute(0, 2, 3, 1).reshape((x", "x.reshape((x", "tokens ="),
    Fault("a residual left out", "", "tokens + self.attention(", "self.attention("),
    Fault("unbiased deviation", "", "std(dim=1, correction=0)", "std(dim=1)"),
    Fault("axis of a deviation", "", "std(dim=1, correction=0)", "std(dim=2, correction=0)[:, :8]"),
    Fault("first state for last", "", "last, spread", "sequence[:, 0, :1].expand(-1, 7), spread"),
    Fault("order of a concatenation", "", "[last, spread.clamp(-1.5, 1.5),", "[spread.clamp(-1.5, 1.5), last,"),
    Fault("bounds of a clip", "", "clamp(-1.5, 1.5)", "clamp(-1.5, 0.5)"),
    Fault("a detach left out", "", "torch.sigmoid(flat).detach()", "torch.sigmoid(flat)"),
    Fault("softmax without the logarithm", "", "F.log_softmax(", "F.softmax("),
    Fault("axis of log-softmax", "", "features), dim=-1)", "features), dim=0)"),
]  # fmt: skip

RESTYLED = {
    "an activation as a layer": [("return F.gelu(y + self.shortcut(x))", "return nn.GELU()(y + self.shortcut(x))")],
    "einsum": [("torch.matmul(q, k.transpose(-2, -1))", 'torch.einsum("bhnd,bhmd->bhnm", q, k)')],
    "a view for a reshape": [("x = x.reshape((x.shape[0], -1, self.heads, self.size))", "x = x.view(x.size(0), -1, self.heads, self.size)")],
    "flatten and transpose": [("x.permute(0, 2, 3, 1).reshape((x.shape[0], -1, x.shape[1]))", "x.flatten(2).transpose(1, 2)")],
    "other names of variables": [("tokens = tokens + self.attention(self.norm(tokens))", "normed = self.norm(tokens)\n        tokens = self.attention(normed) + tokens")],
    "torch.concat": [("torch.cat(", "torch.concat(")],
    "log of softmax as a layer": [("F.log_softmax(self.head(features), dim=-1)", "nn.LogSoftmax(dim=-1)(self.head(features))")],
    "variance and root": [("tokens.std(dim=1, correction=0)", "tokens.var(dim=1, unbiased=False).sqrt()")],
    "a loop over blocks": [("x = self.block2(self.block1(x))", "for block in (self.block1, self.block2):\n            x = block(x)")],
    "clip by minimum and maximum": [("spread.clamp(-1.5, 1.5)", "torch.minimum(torch.maximum(spread, spread.new_tensor(-1.5)), spread.new_tensor(1.5))")],
}  # fmt: skip
"""Edits after which a translation is still right."""
