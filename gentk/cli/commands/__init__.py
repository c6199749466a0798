"""One module per command. What reads a line and draws the screen lies one floor up."""
