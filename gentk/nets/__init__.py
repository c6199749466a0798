"""Building blocks that several families share. Public: a plugin may import them."""
