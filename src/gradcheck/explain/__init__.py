"""Explanations: where a gradient comes from, told from the very objects that the check uses."""
