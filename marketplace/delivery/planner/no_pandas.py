"""Imported first in the child process: a stand-in for pandas, so that importing vroom does not load the real one.

pyvroom imports pandas for the text table `Solution.routes`, which nobody reads here. Measured: 0.12 s instead of
0.32 s of CPU for the import, 32 MB instead of 74 MB; of a budget of two seconds that is a tenth. Should a later
pyvroom need more of pandas, its import fails, the child with it, and the tests of the child say so.
"""

from __future__ import annotations

import sys
from types import ModuleType


class _StandIn(ModuleType):
    #: Named in an annotation of pyvroom's, which is evaluated.
    DataFrame = object


sys.modules.setdefault("pandas", _StandIn("pandas"))
