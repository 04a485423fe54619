"""Fixtures of the black-box suites: a daemon per test, one process of raw peers."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support import checks  # noqa: E402
from support.daemon import Daemon  # noqa: E402
from support.node import Node  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


@pytest.fixture(scope="session")
def node():
    n = Node()
    yield n
    n.stop()


@pytest.fixture
def start(node, request):
    """Starts daemons. Afterwards, when the test went well, the standing checks run and
    the daemon has to end cleanly."""
    daemons = []

    def make(*options: str, **more) -> Daemon:
        daemon = Daemon(node, *options, **more)
        daemons.append(daemon)
        return daemon.start()

    yield make
    failed = getattr(request.node, "failed", True)
    try:
        for daemon in daemons:
            if not failed and daemon.process.poll() is None:
                checks.standing(daemon)
            daemon.end()
            if not failed and daemon.process.poll() is None:
                daemon.stop()
    except BaseException:
        failed = True
        raise
    finally:
        for daemon in daemons:
            if failed:
                print(daemon.logs())
            daemon.destroy()


@pytest.fixture
def daemon(start):
    return start()


@pytest.fixture
def work(daemon):
    return daemon.work
