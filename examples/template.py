"""A prompt with places to fill in, checked before anything is sent."""

import aiclient
from aiclient import ChatRequest, InvalidRequestError, Template
from aiclient.testutil import MockProvider

TRIAGE = Template(
    name="triage",
    version="1",
    system="Answer with one word, the department for this message: {departments}.",
    user="From {sender}:\n{message}",
)


def answer(request: ChatRequest) -> str:
    return "billing" if "invoice" in request.messages[-1].content else "support"


with aiclient.Client(MockProvider(chat_func=answer)) as client:
    for message in ("My invoice is wrong.", "It says {departments} and crashes."):
        request = client.new_request().template(TRIAGE, departments="billing or support", sender="Ann", message=message)
        print(request.do().message.content)

    try:
        client.new_request().template(TRIAGE, sender="Ann", mesage="Hello")
    except InvalidRequestError as error:
        print(error)
