"""A private mail server and generated mail, for `muniment demo`, the tests and the benchmark."""
