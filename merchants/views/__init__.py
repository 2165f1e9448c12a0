"""The pages of the stalls."""
