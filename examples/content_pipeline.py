"""An article in three steps, outline, draft and review, within a budget: what each step cost, and what is there at the end."""

from dataclasses import dataclass, field

from aiclient import AIClientError, BudgetExceededError, ChatRequest, Client, ContentFilterError, Ledger
from aiclient.middleware import Budget, Defaults, Retry
from aiclient.testutil import FakeClock, MockProvider

PRICES = {"mock-model": {"input": 10, "output": 40}}


@dataclass
class Outline:
    title: str
    sections: list[str]


@dataclass
class Review:
    ready: bool
    weak_sections: list[int]  # numbers, from 0


@dataclass
class Article:
    """What has been made so far: whatever ends the work early, this is kept."""

    title: str = ""
    sections: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    ended: str = "not begun"

    def text(self) -> str:
        return "\n".join([f"# {self.title}", *self.sections])


def written(client: Client, topic: str, *, rounds: int = 2) -> Article:
    """Write an article; a failure ends it with what there is."""
    article = Article()
    try:
        outline = client.new_request().tags(step="outline").user(f"Outline: {topic}").output(Outline).do().output
        article.title, article.ended = outline.title, "outlined"
        drafted(client, article, outline)
        for _ in range(rounds):
            if reviewed(client, article, outline):
                article.ended = "reviewed"
                break
    except BudgetExceededError as error:
        article.ended += f", then the budget of ${error.limit} was used up"
    except AIClientError as error:
        article.ended += f", then {error.category}"
    return article


def drafted(client: Client, article: Article, outline: Outline) -> None:
    """Write all sections at once; one that fails is missing, and does not spoil the others."""
    ask = client.new_request().tags(step="draft").system(f"You write '{outline.title}'.")
    found = client.map([ask.user(f"Section: {section}").build() for section in outline.sections], concurrency=4)
    article.sections = [item.value.message.content if item.value else "(missing)" for item in found]
    article.missing = [f"{outline.sections[item.index]} ({type(item.error).__name__})" for item in found.failures]
    article.ended = "drafted"


def reviewed(client: Client, article: Article, outline: Outline) -> bool:
    """Have it read, and write anew what is weak; return whether nothing was."""
    review = client.new_request().tags(step="review").user(article.text()).output(Review).do().output
    weak = [number for number in review.weak_sections if 0 <= number < len(article.sections)]  # a model may invent some
    for number in weak:
        ask = client.new_request().tags(step="draft").user(f"Better: {outline.sections[number]}")
        article.sections[number] = ask.do().message.content
    return review.ready and not weak


def played(request: ChatRequest) -> str | AIClientError:
    """Play a writer: the first draft of one section is weak, and one fails."""
    asked = request.messages[-1].content
    if asked.startswith("Outline"):
        return '{"title": "Tea", "sections": ["Leaves", "Water", "Cups"]}'
    if asked.startswith("#"):
        weak = "weak" in asked
        return f'{{"ready": {str(not weak).lower()}, "weak_sections": {[1, 7] if weak else []}}}'
    if asked == "Section: Cups":
        return ContentFilterError("not about cups")
    return f"All about {asked.partition(': ')[2]}{', weak' if asked == 'Section: Water' else ''}."


def main() -> None:
    for usd in ("0.50", "0.009"):
        ledger = Ledger()
        layers = [Defaults(max_tokens=200), Budget(usd=usd, ledger=ledger, alerts=()), Retry()]
        with Client(MockProvider(played), clock=FakeClock(), prices=PRICES).use(*layers) as client:
            article = written(client, "tea")
        print(article.text())
        print(f"-- {article.ended}; missing: {', '.join(article.missing) or 'nothing'}")
        for row in ledger.report(by=["step"]):
            print(f"   {row['step']:8} {row['requests']} requests, {row['tokens']:3} tokens, ${row['usd']}")


if __name__ == "__main__":
    main()
