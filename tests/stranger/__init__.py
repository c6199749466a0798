"""A plugin as a stranger would publish it, holding a tiny model of every family, and the core's tests of them."""
