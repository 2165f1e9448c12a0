"""The traps of the provider's client library (mollie.md 1.2-1.7): where each is cured, and the tests that fail without.

Each cure was taken out by itself, in the gateway, the consent and the services: each time one of its tests failed.
"""

from __future__ import annotations

from importlib import import_module

from tests.named_tests import missing

#: Trap → (the cure, its tests as in the fault table).
TRAPS: dict[str, tuple[str, tuple[str, ...]]] = {
    # 1.2 set-up and credentials
    "a key of another form raises an error that shows it": (
        "gateway.Gateway._new_client",
        ("marketplace/payments/gateway: neither_the_machines_name_nor_the_key_leaks",),
    ),
    "OAuth goes to mollie.com whatever the settings name": (
        "oauth.Consent",
        (
            "marketplace/payments/connect_settings: consent_is_asked_for_at_mollie_and_in_the_sandbox_there",
            "merchants/payouts: what_is_asked_for_goes_to_the_providers_page_with_our_address",
        ),
    ),
    "OAuth refuses http, and every call with it": (
        "oauth.Consent._ask",
        ("merchants/payouts: a_merchant_connects_its_account_and_can_be_paid",),
    ),
    "OAuth draws its state where nobody can keep it": (
        "oauth.Consent.authorize_url",
        (
            "merchants/payouts: a_forged_state_is_refused",
            "merchants/payouts: nobody_brings_another_persons_answer",
            "merchants/payouts: an_answer_is_taken_once",
        ),
    ),
    "client links want an OAuth client that the API refuses": (
        "oauth.Consent.client_link",
        ("merchants/payouts: a_merchant_without_an_account_opens_one_that_knows_its_file",),
    ),
    # 1.3 methods
    "without a key the library draws one": (
        "gateway.Gateway.create_payment",
        ("marketplace/payments/gateway: nothing_is_created_without_a_key",),
    ),
    "what hangs on a payment wants the payment fetched first": (
        "gateway.Gateway._bare_payment",
        ("marketplace/payments/gateway: what_hangs_on_a_payment_is_asked_for_alone",),
    ),
    # 1.4 errors
    "an answer that is no JSON, or lacks what the library takes for granted, is a raw error": (
        "gateway._call",
        ("marketplace/payments/gateway: an_answer_that_cannot_be_read_leaves_the_outcome_unknown",),
    ),
    "a refusal, a busy provider and an unknown outcome are one kind of error": (
        "gateway._trouble_of",
        (
            "marketplace/payments/gateway: a_refusal_is_permanent_and_names_its_field",
            "marketplace/payments/gateway: a_busy_provider_is_asked_once_and_left_to_the_worker",
        ),
    ),
    "never connected and no answer in time are one kind of error": (
        "gateway._never_connected",
        (
            "marketplace/payments/gateway: a_provider_that_is_not_there_was_certainly_not_called",
            "marketplace/payments/gateway: "
            "no_answer_in_time_leaves_the_outcome_unknown_and_a_repetition_does_nothing_twice",
        ),
    ),
    # 1.5 calls of a split
    "there are no routes in the library": (
        "gateway.Gateway.create_route",
        ("marketplace/payments/gateway: a_share_is_routed_once_per_key_and_listed",),
    ),
    "what a refund takes back has no property": (
        "gateway._refund",
        ("marketplace/payments/gateway: a_refund_takes_back_what_a_merchant_got",),
    ),
    # 1.6 retries, timeouts, idempotency
    "a busy provider is asked eleven times, as long as it says": (
        "gateway._Client._setup_retry",
        ("marketplace/payments/gateway: a_busy_provider_is_asked_once_and_left_to_the_worker",),
    ),
    "a repetition cannot be told from the first call": (
        "service.open_at_provider",
        (
            "marketplace/payments/gateway: the_same_key_gives_the_same_payment",
            "flows/paying: an_answer_lost_on_the_way_makes_no_second_payment",
        ),
    ),
    "a key is forgotten after an hour": (
        "shares.send_share, refunds.send_refund, service.settle",
        (
            "flows/fault_table: an_attempt_unheard_for_an_hour_is_given_up_and_never_made_again",
            "flows/fault_table: a_route_whose_answer_was_lost_for_hours_is_looked_for_before_it_is_made_again",
            "flows/fault_table: a_refund_whose_answer_was_lost_for_hours_is_looked_for_before_it_is_made_again",
        ),
    ),
    "a key of another body": (
        "gateway._trouble_of",
        (
            "marketplace/payments/gateway: the_same_key_for_another_sum_is_rejected",
            "flows/fault_table: a_key_that_made_something_else_is_not_replaced_by_a_new_one",
        ),
    ),
    # 1.7 other bugs
    "an id becomes an address": (
        "gateway._check",
        (
            "marketplace/payments/gateway: a_forged_id_never_becomes_an_address",
            "marketplace/payments/gateway: a_forged_organization_never_becomes_part_of_a_request",
            "flows/fault_table: a_forged_notice_is_answered_like_any_other_and_does_nothing",
        ),
    ),
    "a list is its first page": (
        "gateway.Gateway.refunds_of, refunds_since, payments_since, balance_lines",
        (
            "marketplace/payments/gateway: payments_are_swept_page_by_page_oldest_first",
            "marketplace/payments/gateway: every_page_of_refunds_is_read",
            "marketplace/payments/gateway: all_refunds_of_all_payments_are_read_page_by_page",
            "flows/reconciling: the_book_is_read_in_pages_however_often_somebody_is_killed",
        ),
    ),
    "a testmode of False is sent as true": (
        "gateway.Gateway._mode",
        ("marketplace/payments/gateway: real_money_is_never_asked_for_as_play_money",),
    ),
    "the caller's dictionary is changed": (
        "gateway.Gateway.create_payment",
        ("marketplace/payments/gateway: what_the_caller_passed_is_not_changed",),
    ),
    "a link to a next page is glued behind our own address": (
        "gateway._next_id",
        ("marketplace/payments/gateway: the_way_to_the_next_page_is_read_and_never_followed_to_another_host",),
    ),
    "is_paid stays true after the bank has taken everything back": (
        "gateway._payment, shares.is_disputed",
        (
            "marketplace/payments/gateway: a_chargeback_shows_on_the_payment_until_it_is_won",
            "flows/giving_back: nothing_is_routed_while_a_bank_has_the_money",
        ),
    ),
    "there are no words for a refund that failed or was cancelled": (
        "refunds.apply_refund",
        (
            "flows/giving_back: a_refund_that_fails_has_not_happened_and_can_be_asked_for_again",
            "flows/giving_back: a_refund_that_somebody_cancels_on_the_providers_pages_has_not_happened",
            "flows/giving_back: money_that_a_bank_sends_back_later_is_with_the_provider_again",
        ),
    ),
    "is_cancelable is left out at the end": (
        "gateway._payment",
        (
            "marketplace/payments/gateway: a_status_of_tomorrow_is_handed_on_as_it_is",
            "marketplace/payments/gateway: an_open_payment_is_cancelled_and_a_paid_one_is_not",
        ),
    ),
    "every call carries the machine's name": (
        "gateway._Client.UNAME",
        ("marketplace/payments/gateway: neither_the_machines_name_nor_the_key_leaks",),
    ),
    "a proxy of the environment stands before this machine": (
        "gateway._Client._setup_retry, oauth.Consent._ask",
        (
            "marketplace/payments/gateway: a_proxy_of_the_environment_does_not_come_between_us_and_the_sandbox",
            "merchants/payouts: neither_a_proxy_nor_a_redirect_gets_the_secret",
        ),
    ),
    "a redirect takes the key along": (
        "gateway._Client._setup_retry, oauth.Consent._ask",
        (
            "marketplace/payments/gateway: the_key_does_not_follow_a_redirect",
            "merchants/payouts: neither_a_proxy_nor_a_redirect_gets_the_secret",
        ),
    ),
    "a client is for one thread": (
        "gateway.Gateway._client",
        ("marketplace/payments/gateway: each_thread_has_a_client_of_its_own",),
    ),
}


def test_every_trap_names_its_cure_and_tests_that_exist() -> None:
    assert missing(name for _, tests in TRAPS.values() for name in tests) == []
    for cures, _ in TRAPS.values():
        for cure in cures.split(", "):
            module, _, words = cure.partition(".")
            if words:
                found: object = import_module(f"marketplace.payments.{module}")
                for word in words.split("."):
                    found = getattr(found, word)
    assert len(TRAPS) == 28
