"""What several tests make or read; `python -m tests.tools.adult_like` writes a table of people to try models of tables on."""
