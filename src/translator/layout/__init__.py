"""Layout: which axis order each tensor of the translated program has, and where it must change.

`solve` gives every layout variable its order; `convert` says, for one expression, which order its
operands must have and which order its result naturally has. See docs/layout.md.
"""
