"""Machine intervals: whole float64 arrays with proven bounds, the first and quickest stage of the exact lane."""
