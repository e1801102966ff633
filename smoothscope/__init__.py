"""The command `smoothscope`; where Smoothscope is installed, also the home of its pages, assets and checkpoints.

The work is done by the package core, which lies beside this one. See core/layout.py for what lies where.
"""
