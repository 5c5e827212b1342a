"""From the optimised graph to loop nests: what is computed where, in which loops, in what order."""
