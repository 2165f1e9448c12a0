"""The stalls: merchants, their shops, catalogues and stock."""
