"""The dashboards of Grafana as code.

What is installed is the JSON that ``make dashboards`` writes from it, with the official SDK.
"""
