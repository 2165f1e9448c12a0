"""Catalogues that come from a file: read safely, compared, shown, then applied in one go."""
