"""One tiny model of every kind."""
