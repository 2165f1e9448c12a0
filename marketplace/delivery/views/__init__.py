"""The round's pages: for its coordinator, its couriers, and the one household that waits."""
