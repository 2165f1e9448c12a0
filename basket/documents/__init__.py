"""What is written down about orders for those who bought, sold and carried: receipts, invoices, credit notes.

The floor below issues them from values; here is decided when, about what, and with which words.
"""
