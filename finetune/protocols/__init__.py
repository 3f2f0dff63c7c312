"""Who trains, who validates, who is tested, and on which labels: a data file for each protocol."""
