"""What the records of a run say: rows, rankings, effects and intervals, as numbers. Imports neither report nor
engine."""
