"""The rules from PyTorch to TensorFlow, by kind of node, in the order in which they are asked."""

from __future__ import annotations

import libcst as cst

from ..layout.permuting import written as permuter_made
from . import RuleSet, emitted  # noqa: F401  (it registers rules that rows name)
from .api import api_call, api_name
from .asked import asked_call
from .class_names import name_test
from .control import conditional, if_statement, star_import, with_statement
from .getattr_names import asked_for_method, looked_up_claim, looked_up_name, module_has
from .inplace import assign_item, augmented, call_statement, claimed_call, claimed_targets, inplace_call
from .layer_calls import framework_layer_call
from .layer_params import copied_layer, flag_claim, flag_statement, named_parameters_loop
from .modules import base_init, class_def, function_def
from .no_gradients import quiet_append, quiet_assign, quiet_return
from .parameter_loops import parameter_loop
from .self_modes import self_mode_claim, self_mode_if, self_mode_statement
from .tensors import (
    attribute,
    binary,
    builtin_call,
    comparison,
    equality,
    mixed_comparison,
    subscript,
    unknown_item,
    weight_type_claim,
)
from .training import dropped_assign, fit_loop, mode_call, mode_statement, model_call, replaced, training_block
from .training_carry import carried_call
from .training_files import checkpoint_call
from .training_leaves import leaf_assign, leaf_claim, leaf_statement
from .training_rates import freeze_claim, freeze_statement, groups_used, rate_assign, rate_claim, rate_loop, rate_read

RULES = RuleSet(
    expressions={
        cst.Call: (
            looked_up_name,
            permuter_made,
            asked_for_method,
            module_has,
            base_init,
            carried_call,
            mode_call,
            checkpoint_call,
            copied_layer,
            inplace_call,
            api_call,
            model_call,
            framework_layer_call,
            builtin_call,
            unknown_item,
            asked_call,
        ),
        cst.Attribute: (groups_used, api_name, attribute),
        cst.Name: (api_name,),
        cst.Subscript: (rate_read, subscript),
        cst.BinaryOperation: (binary,),
        cst.Comparison: (name_test, equality, mixed_comparison, comparison),
        cst.IfExp: (conditional,),
    },
    statements={
        cst.Expr: (
            self_mode_statement,
            flag_statement,
            mode_statement,
            freeze_statement,
            leaf_statement,
            quiet_append,
            call_statement,
        ),
        cst.Return: (quiet_return,),
        cst.Assign: (
            self_mode_statement,
            flag_statement,
            leaf_assign,
            rate_assign,
            dropped_assign,
            assign_item,
            quiet_assign,
        ),
        cst.AugAssign: (augmented,),
        cst.ImportFrom: (star_import,),
    },
    claims={
        cst.Call: (looked_up_claim,),
        cst.Attribute: (weight_type_claim,),
        cst.Subscript: (rate_claim,),
        cst.Expr: (self_mode_claim, claimed_call, flag_claim, freeze_claim, leaf_claim),
        cst.Assign: (self_mode_claim, claimed_targets, rate_claim, flag_claim, leaf_claim),
        cst.AugAssign: (claimed_targets,),
    },
    structures={
        cst.ClassDef: (class_def,),
        cst.FunctionDef: (function_def,),
        cst.With: (with_statement,),
        cst.If: (self_mode_if, if_statement),
        cst.For: (fit_loop, named_parameters_loop, parameter_loop, rate_loop),
    },
    blocks=(training_block,),
    parts=(replaced,),
)
