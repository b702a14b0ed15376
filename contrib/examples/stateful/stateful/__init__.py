"""A project with a component whose definitions come from stored state."""
