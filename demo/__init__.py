"""The demo town: invented shops of a real town, for trying everything out."""
