"""A hundred calls at once against a budget for ten, who spent it, and an alert on the way."""

import asyncio

from aiclient import AsyncClient, BudgetAlert, BudgetExceededError, ChatResponse, Ledger, Limit
from aiclient.middleware import Budget
from aiclient.testutil import MockProvider

PRICES = {"mock-model": {"input": 0, "output": 100_000}}  # ten cents for each token of an answer
ANSWER = "one two three four five six seven eight nine ten"


async def main() -> None:
    ledger = Ledger()
    budget = Budget(
        Limit(usd=10, period="day"),
        Limit(usd=6, per="user", period="day", name="each", alerts=()),
        on_alert=report,
        ledger=ledger,
    )
    async with AsyncClient(MockProvider(ANSWER), prices=PRICES).use(budget) as client:
        asked = client.new_request().user("Count to ten").max_tokens(10)
        calls = [asked.tags(user=("alice", "bob")[number % 2]).do() for number in range(100)]
        results = await asyncio.gather(*calls, return_exceptions=True)
    answered = sum(isinstance(result, ChatResponse) for result in results)
    refused = sum(isinstance(result, BudgetExceededError) for result in results)
    print(f"{answered} were answered, {refused} refused; ${budget.spent} spent, ${budget.remaining} left")
    for row in ledger.report(by=["user"]):
        print(f"{row['user']}: ${row['usd']} for {row['requests']} answers")


def report(alert: BudgetAlert) -> None:
    """Tell whoever pays."""
    print(f"{alert.threshold:.0%} of ${alert.limit} is gone")


if __name__ == "__main__":
    asyncio.run(main())
