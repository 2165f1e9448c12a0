"""Measured work: what the pages, an order, a rush and a round cost, as ratios taken in one run."""
