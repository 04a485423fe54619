"""What the black-box tests share: the daemon under test, peers on its socket, the PyPI clients."""
