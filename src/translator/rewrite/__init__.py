"""Rewriting: one bottom-up pass that asks the rules, then imports and helpers are put in order."""
