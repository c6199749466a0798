"""Pictures of what happens: schedules, losses, states along a path, densities. Light: matplotlib is imported when something is drawn."""
