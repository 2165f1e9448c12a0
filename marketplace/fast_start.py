"""Imported first by the roof, for its effects: nobody looks for garbage among what is imported, nor warns of it.

Importing makes a hundred thousand objects that all stay. Each search for garbage walks them and finds nothing: a
fifth of the start of every process and command, and as much again at its end.
"""

from __future__ import annotations

import gc
import warnings

gc.disable()
# platformdirs, on its import by the embedded PostgreSQL's library; nobody who types a command can act on it.
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")


def over() -> None:
    """Everything is imported: look for garbage again, but never among that."""
    gc.freeze()
    gc.enable()
