"""The management API: what an operator wants to see or do, over HTTP on this machine."""
