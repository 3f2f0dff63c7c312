"""What starts, tests and deploys facscale."""
