"""Who may import what around the payment provider."""

from __future__ import annotations

import grimp


def test_the_gateway_alone_imports_mollie_and_the_sandbox_knows_only_money_words_and_clocks_of_ours() -> None:
    graph = grimp.build_graph("marketplace", "merchants", "basket", "demo", include_external_packages=True)
    assert graph.find_modules_that_directly_import("mollie") == {"marketplace.payments.gateway"}
    sandbox = {m for m in graph.modules if m.startswith("marketplace.payments.sandbox")}
    known = {target for module in sandbox for target in graph.find_modules_directly_imported_by(module)} - sandbox
    own = {module for module in known if module.startswith("marketplace")}
    assert own == {"marketplace.clock", "marketplace.language", "marketplace.money"}
