"""The report's sections: each module turns measured numbers into one piece of HTML and measures nothing."""
