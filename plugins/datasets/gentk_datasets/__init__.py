"""Data sets for gentk. `gentk_datasets.plugin` says what there is."""
