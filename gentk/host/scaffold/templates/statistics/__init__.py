"""Principal components with a likelihood."""
