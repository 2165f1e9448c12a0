"""A month of the town's trade in a few minutes: everything that goes right, and a share that goes wrong.

`flask --app marketplace.app simulate-month`. The house is the real one (its use cases, its jobs, its gateway, its
ledger) on a database of its own; the payment sandbox runs in the same process, and one clock moves both.
"""
