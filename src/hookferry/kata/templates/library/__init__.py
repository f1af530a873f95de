"""The filters, functions and tests that templates can call."""
