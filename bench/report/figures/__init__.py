"""One file a figure: each draws one series and computes nothing but positions."""
