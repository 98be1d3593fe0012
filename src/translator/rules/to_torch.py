"""The rules from TensorFlow and Keras to PyTorch, by kind of node, in the order in which they are asked."""

from __future__ import annotations

import libcst as cst

from . import RuleSet, keras_images, keras_layers_more, keras_ops, keras_records, keras_weights, tf_nn  # noqa: F401  (they register rules that rows name)
from .keras_calls import keras_call
from .keras_collection import documents, undocumented
from .keras_config import alternative, configured
from .keras_functional import claimed, functional
from .keras_modules import assign, class_def, expression_statement, function_def
from .keras_sequential import declarations
from .keras_tensors import attribute, binary, comparison, comprehension, conditional, loop, name, subscript
from .keras_training import with_tape

RULES = RuleSet(
    expressions={
        cst.Call: (keras_call,),
        cst.Attribute: (attribute,),
        cst.Name: (name,),
        cst.Subscript: (subscript,),
        cst.BinaryOperation: (binary,),
        cst.Comparison: (comparison,),
        cst.IfExp: (alternative, conditional),
        cst.CompFor: (comprehension,),
    },
    statements={
        cst.Expr: (expression_statement,),
        cst.Assign: (undocumented, assign),
        cst.For: (loop,),
    },
    claims={cst.Call: (declarations,), cst.Assign: (documents,)},
    structures={
        cst.ClassDef: (class_def,),
        cst.FunctionDef: (functional, function_def),
        cst.If: (configured,),
        cst.With: (with_tape,),
    },
    blocks=(claimed,),
)
