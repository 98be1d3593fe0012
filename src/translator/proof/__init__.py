"""Proof of a translation: both programs run on the same weights and inputs, in processes of their own.

`translator.verify` is the way in. This executes the programs: only call it on code that you would run.
"""
