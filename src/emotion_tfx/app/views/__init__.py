"""What is seen: each page is a function that draws it with Streamlit.

The folder must not be called ``pages``: of every file in that, Streamlit makes a page by itself.
"""
