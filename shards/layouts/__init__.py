"""How a data set's folder is laid out: which videos it has, of whom, and with which labels."""
