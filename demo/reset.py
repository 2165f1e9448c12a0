"""`python -m demo.reset`, better known as `make demo-reset`: forget everything that happened in the demo town."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from demo.database import stop_server
from demo.leftovers import end_leftovers, only_demo
from demo.run import ROOT


def main() -> None:
    instance_dir = Path(os.environ.get("INSTANCE_DIR") or ROOT / "instance").absolute()
    if not instance_dir.exists():
        print("Nothing to forget.")
        return
    with only_demo(instance_dir) as is_only_one:
        if not is_only_one:
            sys.exit("The demo runs. Stop it with Ctrl-C where it runs, then reset it.")
        end_leftovers(instance_dir)
        stop_server(instance_dir / "postgres")
        shutil.rmtree(instance_dir)
    print("The demo town is forgotten; `make demo` builds it anew.")
    if os.environ.get("DATABASE_URL"):
        print("The database that DATABASE_URL names was not touched.")


if __name__ == "__main__":
    main()
