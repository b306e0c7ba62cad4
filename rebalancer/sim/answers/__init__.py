"""What each request is answered with: one table ``HANDLERS`` per subject, by message name."""
