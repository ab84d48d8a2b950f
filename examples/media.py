"""Pictures and documents in a question: from a file, from bytes, from a URL, and what is refused."""

import base64
import tempfile
from pathlib import Path

import aiclient
from aiclient import ChatRequest, MediaError
from aiclient.messages import MediaPart
from aiclient.testutil import MockProvider

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def answer(request: ChatRequest) -> str:
    parts = request.messages[-1].of(MediaPart)
    return "I see " + ", ".join(f"{part.media_type or part.url}" for part in parts)


with tempfile.TemporaryDirectory() as folder, aiclient.Client(MockProvider(chat_func=answer)) as client:
    path = Path(folder) / "pixel.png"  # the ending is wrong, and does not matter
    path.write_bytes(PIXEL)

    question = client.new_request().user("What do you see?")
    print(question.image(path).do().message.content)
    print(
        question.image("https://example.com/cat.jpg").document(b"%PDF-1.7 ...", name="offer.pdf").do().message.content
    )

    for source in ("pixel.png", path.parent, b"%PDF-1.7 ..."):
        try:
            question.image(source)
        except MediaError as error:
            print(f"{error.kind}: {str(error).replace(folder, '...')}")
