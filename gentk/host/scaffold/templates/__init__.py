"""The files themselves: Python as it will be, with the plugin called `template`."""
