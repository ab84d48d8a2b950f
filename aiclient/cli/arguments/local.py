"""What the commands take that ask no service: `demo`, `serve`, `bench`, `completion`."""

from __future__ import annotations

from .shared import Commands, add_json

__all__ = ["add_bench", "add_completion", "add_demo", "add_serve"]


def add_demo(commands: Commands) -> None:
    """Add `demo`."""
    demo = commands.add_parser(
        "demo",
        help="see it work, without a key",
        description="Stream an answer from a service played on this machine, through a failure that Retry survives.",
    )
    add_json(demo, "print the answer with its attempts as one JSON object")
    demo.set_defaults(command=".demo")


def add_serve(commands: Commands) -> None:
    """Add `serve`."""
    serve = commands.add_parser(
        "serve",
        help="play a service on this machine, for tests",
        description="Play a service that speaks the protocols of all providers, until Ctrl-C.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=0, help="default: any free one")
    serve.add_argument("--api-key", metavar="KEY", help="the key that requests must carry (default: none)")
    serve.add_argument("--reply", metavar="TEXT", default="Hello from the loopback server.", help="what it answers")
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:NUMBER]",
        help="what goes wrong with the next request, in order; may be repeated: rate_limited[:SECONDS], "
        "overloaded[:SECONDS], server_error[:STATUS], cut[:BYTES], stall[:BYTES], delay:SECONDS",
    )
    add_json(serve, "say where it listens as one JSON object")
    serve.set_defaults(command=".serve")


def add_bench(commands: Commands) -> None:
    """Add `bench`."""
    bench = commands.add_parser(
        "bench",
        help="measure what the library adds to a call",
        description="Ask a server on this machine through the library and through bare httpx, in turns.",
    )
    bench.add_argument("--calls", type=int, default=200, metavar="N", help="how many of each (default: %(default)s)")
    add_json(bench)
    bench.set_defaults(command=".bench")


def add_completion(commands: Commands) -> None:
    """Add `completion`."""
    completion = commands.add_parser(
        "completion",
        help="have a shell complete these commands",
        description='Print the script by which a shell completes. bash, zsh: eval "$(aiclient completion bash)" in its '
        "start file; fish: aiclient completion fish | source",
    )
    completion.add_argument("shell", choices=["bash", "zsh", "fish"], help="whose script")
    completion.set_defaults(command=".completion")
