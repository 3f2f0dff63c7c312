"""Videos of made-up people with exact action-unit intensities: the data a newcomer starts with."""
