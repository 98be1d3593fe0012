"""Where the API signatures come from: one module for each way a framework states them.

Only :mod:`translator.signatures` uses this package, and it imports the frameworks inside its functions.
"""
