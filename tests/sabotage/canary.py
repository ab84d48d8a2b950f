"""Secrets and content: what keeps them out of tracebacks, records and errors."""

CANARY = "tests/security/test_canary.py::"
REPEATED = CANARY + "test_a_service_that_repeats_all_it_was_sent_tells_nobody"
ASKED = CANARY + "test_however_it_is_asked_the_error_and_its_frames_hold_nothing"

SABOTAGE = [
    (
        "records.py",
        "_amount if attribute.name in CONTENT else repr",
        "repr",
        CANARY + "test_content_appears_only_where_it_is_asked_for",
    ),
    (
        "context.py",
        "tags: Mapping[str, str] = field(factory=dict, repr=False)",
        "tags: Mapping[str, str] = field(factory=dict)",
        CANARY + "test_content_appears_only_where_it_is_asked_for",
    ),
    (
        "providers/_http.py",
        """            said, answer = await self._answered(call, context, wire.decode)
        except AIClientError as error:
            raise self._sign(error, model).with_traceback(None)""",
        """            said, answer = await self._answered(call, context, wire.decode)
        except AIClientError as error:
            raise self._sign(error, model)""",
        REPEATED,
    ),
    (
        "providers/_source.py",
        "raise self._sign(self._failure).with_traceback(None)",
        "raise self._sign(self._failure)",
        REPEATED,
    ),
    (
        "providers/_sender.py",
        "            return evolve(said, request_id=known(said.request_id, [own]))",
        "            return said",
        REPEATED,
    ),
    (
        "client.py",
        "        del prompt  # a traceback that shows local variables would show it\n",
        "",
        ASKED,
    ),
    (
        "sync/client.py",
        "        del prompt  # a traceback that shows local variables would show it\n",
        "",
        ASKED,
    ),
]
