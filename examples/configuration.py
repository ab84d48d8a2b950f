"""A client from a configuration: providers by priority, a profile, and another configuration while it works."""

import os
import tempfile
from pathlib import Path

from aiclient import Client, ConfigError
from aiclient.config import Config
from aiclient.middleware import CircuitBreaker

FILE = """
profile = "prod"
each = [{ retry = { attempts = 2 } }, "circuit_breaker"]

[providers.main]
provider = "mock"
reply = "says main"
priority = 1

[providers.backup]
provider = "mock"
reply = "says ${WHO}"
priority = 2

[profiles.dev.providers.main]
reply = "says main, in dev"

[profiles.prod]
budgets = [{ usd = 5, period = "day" }]
"""

path = Path(tempfile.mkdtemp(), "aiclient.toml")
path.write_text(FILE, "utf-8")
environ = {**os.environ, "WHO": "backup"}

with Client.from_config(path, environ=environ) as client:
    print(client.explain())
    breaker = client.middleware[-1]
    assert isinstance(breaker, CircuitBreaker)
    breaker.trip("main")  # as if main had failed too often
    print(client.chat("Who?").message.content)

    # What is said alike keeps its state: the circuit is still open after the reload.
    path.write_text(FILE.replace("usd = 5", "usd = 9"), "utf-8")
    client.reload()
    print(client.middleware[0], client.middleware[-1] is breaker, client.chat("Who?").message.content)

    # A bad file changes nothing.
    path.write_text(FILE.replace("priority", "prioritty"), "utf-8")
    try:
        client.reload()
    except ConfigError as error:
        print(str(error).partition("\n")[2])
    print(client.chat("Who?").message.content)

with Client.from_config(Config(model="mock:small", timeout="5s")) as client:
    assert client.config is not None
    print(client.config.to_dict())
