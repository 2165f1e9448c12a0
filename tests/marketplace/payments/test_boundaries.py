"""Who may import what around the payment provider."""

from __future__ import annotations

import grimp


def test_the_gateway_alone_imports_mollie_and_the_sandbox_knows_nothing_of_the_marketplace_but_money() -> None:
    graph = grimp.build_graph("marketplace", "merchants", "basket", "demo", include_external_packages=True)
    assert graph.find_modules_that_directly_import("mollie") == {"marketplace.payments.gateway"}
    sandbox = {m for m in graph.modules if m.startswith("marketplace.payments.sandbox")}
    known = {target for module in sandbox for target in graph.find_modules_directly_imported_by(module)} - sandbox
    assert {module for module in known if module.startswith("marketplace")} == {"marketplace", "marketplace.money"}
