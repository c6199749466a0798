"""A recurrent net, one token after another."""
