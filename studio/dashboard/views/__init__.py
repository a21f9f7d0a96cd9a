"""One file a page, each a function ``page()``. Not "pages": Streamlit would make a menu of that folder."""
