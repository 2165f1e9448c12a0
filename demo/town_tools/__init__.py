"""Writes the demo town's catalogues from the stalls, the short notes in which they are kept by hand."""
