"""The pages of the resident's walk."""
