"""The web app: a client of the server's public interface, in Streamlit.

It loads no model and never imports TensorFlow. ``main.py`` is what Streamlit runs; ``views`` holds
what is seen, ``phrases`` every word of it in both languages, the other modules what the pages
stand on, without Streamlit.
"""
