"""The report as one HTML file: static SVG drawn here, a style sheet and some lines of script for zoom, cursor and keyboard.  No library, no
network, readable without scripts."""
