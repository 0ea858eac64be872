"""How good candidates are: metrics, intervals, comparisons."""
