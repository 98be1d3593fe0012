"""The rules from TensorFlow and Keras to PyTorch, by kind of node, in the order in which they are asked."""

from __future__ import annotations

import libcst as cst

from . import (  # noqa: F401  (they register rules that rows name)
    RuleSet,
    keras_emitted,
    keras_images,
    keras_layers_more,
    keras_ops,
    keras_records,
    keras_variables,
    keras_weights,
    tf_flow,
    tf_image,
    tf_more,
    tf_nn,
)
from .keras_calls import keras_call
from .keras_collection import documents, undocumented
from .keras_config import alternative, configured
from .keras_functional import claimed, functional
from .keras_modules import annotated, assign, class_def, expression_statement, function_def
from .keras_ops import float_types
from .keras_sequential import declarations
from .keras_tensors import attribute, binary, comparison, comprehension, conditional, loop, name, subscript
from .keras_training import with_tape
from .keras_weights_start import helper_started, helper_starts, started, starts
from .tf_image import read_as_text

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
        cst.Expr: (helper_started, expression_statement),
        cst.Assign: (undocumented, started, assign),
        cst.AnnAssign: (annotated,),
        cst.For: (loop,),
    },
    claims={cst.Call: (declarations, helper_starts, float_types, read_as_text), cst.Assign: (documents, starts)},
    structures={
        cst.ClassDef: (class_def,),
        cst.FunctionDef: (functional, function_def),
        cst.If: (configured,),
        cst.With: (with_tape,),
    },
    blocks=(claimed,),
)
