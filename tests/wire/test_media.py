"""Which media each service takes, as docs/media.md says it: as bytes, and by an address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiclient.errors import UnsupportedFeatureError
from aiclient.messages import AudioPart, DocumentPart, ImagePart, Message, VideoPart
from aiclient.request import ChatOptions, ChatRequest
from aiclient.wire.anthropic import AnthropicWire
from aiclient.wire.cohere import CohereChat
from aiclient.wire.converse import ConverseWire
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.ollama import OllamaChat
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import PROFILES
from aiclient.wire.responses import ResponsesWire

PAGE = (Path(__file__).parents[2] / "docs" / "media.md").read_text("utf-8")

WIRES = {
    "OpenAI chat": (OpenAIChat(), "gpt-5"),
    "OpenAI responses": (ResponsesWire(), "gpt-5"),
    "Anthropic": (AnthropicWire(), "claude-sonnet-4-5"),
    "Gemini": (GeminiWire(), "gemini-3-pro-preview"),
    "Vertex": (GeminiWire(vertex=True), "gemini-3-pro-preview"),
    "Bedrock": (ConverseWire(), "us.amazon.nova-pro-v1:0"),
    "Mistral": (OpenAIChat(PROFILES["mistral"]), "m"),
    "Cohere": (CohereChat(), "command-a-vision"),
    "Ollama": (OllamaChat(), "qwen3"),
    "OpenRouter": (OpenAIChat(PROFILES["openrouter"]), "m"),
    "other compatible servers": (OpenAIChat(PROFILES["compatible"]), "m"),
}

PNG = b"\x89PNG\r\n\x1a\n"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
MP4 = b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00mp42"
PDF = b"%PDF-1.7"
KINDS = {
    "images": (ImagePart, PNG, "png"),
    "sound": (AudioPart, WAV, "wav"),
    "films": (VideoPart, MP4, "mp4"),
    "PDF": (DocumentPart, PDF, "pdf"),
    "text": (DocumentPart, b"Notes.", "txt"),
}
TYPES = {"png": "image/png", "wav": "audio/wav", "mp4": "video/mp4", "pdf": "application/pdf", "txt": "text/plain"}
FORMS = {"bytes": None, "URL": "https://files.test/a.", "gs": "gs://files/a.", "s3": "s3://files/a."}


def takes(wire, kind, form, *, typed=True):
    """Whether the service takes such a part as what is asked now."""
    codec, model = WIRES[wire]
    part, data, ending = KINDS[kind]
    where = FORMS[form]
    media_type = TYPES[ending] if typed else None
    made = part(data=data, media_type=media_type) if where is None else part(url=where + ending, media_type=media_type)
    try:
        codec.encode(ChatRequest([Message("user", ["Look:", made])], ChatOptions()), model=model, stream=False)
    except UnsupportedFeatureError:
        return False
    return True


def cell(wire, kind):
    """What the page says of a kind."""
    return ", ".join(form for form in FORMS if takes(wire, kind, form)) or "–"


def row(wire):
    return f"| {wire} | " + " | ".join(cell(wire, kind) for kind in KINDS) + " |"


@pytest.mark.parametrize("wire", WIRES)
def test_the_page_says_what_a_service_takes(wire):
    assert re.findall(rf"^\| {wire} \|.*$", PAGE, re.MULTILINE) == [row(wire)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wire", WIRES)
def test_bytes_without_a_type_are_taken_where_those_with_one_are(wire, kind):
    """The type is told by the bytes. Cohere takes no documents, and text has no mark of its own at OpenAI's."""
    assert takes(wire, kind, "bytes", typed=False) is takes(wire, kind, "bytes")


@pytest.mark.parametrize(
    ("wire", "part", "sent"),
    [
        ("OpenAI chat", AudioPart(data=b"ID3\x04"), '"format":"mp3"'),
        ("OpenAI chat", ImagePart(data=b"RIFF\x24\x00\x00\x00WEBPVP8 "), "data:image/webp;"),
        ("OpenAI responses", ImagePart(data=b"GIF89a"), "data:image/gif;"),
        ("Bedrock", VideoPart(data=MP4), '"format":"mp4"'),
        ("Bedrock", AudioPart(data=b"fLaC"), '"format":"flac"'),
        ("Gemini", AudioPart(data=b"fLaC"), "audio/flac"),
        ("Anthropic", ImagePart(data=b"\xff\xd8\xff\xe0"), "image/jpeg"),
        ("Ollama", ImagePart(url="data:image/png;base64,iVBORw0KGgo="), '"images":["iVBORw0KGgo="]'),
    ],
)
def test_the_service_is_told_what_the_bytes_are(wire, part, sent):
    codec, model = WIRES[wire]
    call, warnings = codec.encode(ChatRequest([Message("user", part)]), model=model, stream=False)
    assert sent in call.body.decode()
    assert warnings == ()


if __name__ == "__main__":
    print("\n".join(map(row, WIRES)))
