"""What Streamlit runs, from top to bottom, for every look at the web app."""

from emotion_tfx.app.views.frame import show

show()
