"""A stranger's plugin: one tiny model of each family that the core must fit. It imports public names of gentk only."""
