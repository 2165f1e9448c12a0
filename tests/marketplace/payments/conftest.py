"""Every test of this folder has a payment sandbox of its own when it asks for one."""

from tests.sandbox_server import quiet_sandbox, sandbox

__all__ = ["quiet_sandbox", "sandbox"]
