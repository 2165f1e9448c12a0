"""Imported first by the roof, for its effect: nobody looks for garbage among what is imported.

Importing makes a hundred thousand objects that all stay. Each search for garbage walks them and finds nothing: a
fifth of the start of every process and command, and as much again at its end.
"""

from __future__ import annotations

import gc

gc.disable()


def over() -> None:
    """Everything is imported: look for garbage again, but never among that."""
    gc.freeze()
    gc.enable()
