"""The resident’s walk: one basket over many shops, one order, one payment."""
