"""Invoices, credit notes and receipts: parties, lines, amounts and texts, frozen as they were issued.

This part of the floor knows no orders and no shops; whoever knows them hands it values.
"""
