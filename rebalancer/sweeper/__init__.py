"""One-shots that put right what time and crashes leave behind; systemd timers run them."""
