"""The market hall: floor, till, ledger and delivery rounds."""

__version__ = "0.1.0"
