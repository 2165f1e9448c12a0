"""Every test of this folder has a payment sandbox of its own when it asks for one."""

from tests.sandbox_server import sandbox

__all__ = ["sandbox"]
