"""Pictures of results: matplotlib for print, one self-contained page with uPlot to explore."""
