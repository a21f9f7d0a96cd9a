"""What Streamlit has no widget for: each a folder with its script, its style and its Python side.

They run in the page itself, so data is only ever put in as text, never as HTML.
"""
