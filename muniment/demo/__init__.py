"""What `muniment demo`, the tests and the benchmark show Muniment with: a private mail server and invented mail."""
