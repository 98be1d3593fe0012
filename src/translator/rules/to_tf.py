"""The rules from PyTorch to TensorFlow, by kind of node, in the order in which they are asked."""

from __future__ import annotations

import libcst as cst

from . import RuleSet
from .api import api_call, api_name
from .control import conditional, if_statement, star_import, with_statement
from .inplace import assign_item, augmented, call_statement, claimed_call, claimed_targets
from .layer_calls import framework_layer_call
from .modules import class_def, function_def, layer_call
from .tensors import attribute, binary, builtin_call, comparison, subscript

RULES = RuleSet(
    expressions={
        cst.Call: (api_call, layer_call, framework_layer_call, builtin_call),
        cst.Attribute: (api_name, attribute),
        cst.Name: (api_name,),
        cst.Subscript: (subscript,),
        cst.BinaryOperation: (binary,),
        cst.Comparison: (comparison,),
        cst.IfExp: (conditional,),
    },
    statements={
        cst.Expr: (call_statement,),
        cst.Assign: (assign_item,),
        cst.AugAssign: (augmented,),
        cst.ImportFrom: (star_import,),
    },
    claims={
        cst.Expr: (claimed_call,),
        cst.Assign: (claimed_targets,),
        cst.AugAssign: (claimed_targets,),
    },
    structures={
        cst.ClassDef: (class_def,),
        cst.FunctionDef: (function_def,),
        cst.With: (with_statement,),
        cst.If: (if_statement,),
    },
)
