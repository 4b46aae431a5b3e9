"""How the figures of a report are drawn, a module for each kind.

Matplotlib's objects are used directly, without its global state. Whatever differs in colour differs
in shape or place too.
"""
