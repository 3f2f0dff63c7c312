"""Files of any kind into frames: upright, in square pixels, with their times."""
