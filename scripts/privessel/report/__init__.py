"""The closing summary and the HTML report."""
