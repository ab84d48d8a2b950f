"""Streams: one commit point, one end, and no truncated answer that passes for a whole one."""

SABOTAGE = [
    (
        "stream.py",
        (
            '            failure = ProtocolError("the stream ended without its end mark: the answer is cut off", '
            'kind="incomplete")\n'
        ),
        "            await self._end_source()\n            return ChatStreamChunk(last=True)\n",
        "tests/test_stream.py::test_a_stream_without_its_end_mark_before_the_first_output_is_a_protocol_error",
    ),
    (
        "stream.py",
        "            failure = interrupted(failure)\n",
        "            pass\n",
        "tests/test_stream.py::test_a_failure_after_the_first_output_is_an_interruption_with_the_partial_and_the_cause",
    ),
    (
        "stream.py",
        "        if not self._committed and chunk.is_output:\n",
        "        if not self._committed:\n",
        "tests/test_stream.py::test_commit_reads_to_the_first_output_and_keeps_what_it_read",
    ),
    (
        "stream.py",
        "            if self._end is not None:\n                raise self._own_error(",
        "            if False:\n                raise self._own_error(",
        "tests/test_stream.py::test_a_commit_after_the_end_says_how_it_ended_and_asks_the_source_no_more",
    ),
    (
        "stream.py",
        "            self._kept.append(await self._pull())\n",
        "            await self._pull()\n",
        "tests/test_stream.py::test_a_layer_attached_after_the_commit_misses_no_chunk",
    ),
    (
        "stream.py",
        "        if self._end is not None:\n            return\n        self._end = End(",
        "        self._end = End(",
        "tests/test_stream.py::test_a_cancellation_at_any_step_of_reading_ends_the_stream_once",
    ),
    (
        "stream.py",
        '            await self._finish("abandoned" if self._left else "cancelled", cancellation)\n',
        "",
        "tests/test_stream.py::test_cancelling_the_reader_ends_the_stream_as_cancelled",
    ),
    (
        "stream.py",
        '            await self._finish("cancelled", error)\n',
        "            pass\n",
        "tests/test_stream.py::test_cancelling_the_reader_between_two_chunks_is_a_cancellation_too",
    ),
    (
        "stream.py",
        '        if outcome != "completed":\n            self._kept.clear()\n',
        "",
        "tests/test_stream.py::test_a_committed_and_closed_stream_does_not_hand_out_what_it_kept",
    ),
    (
        "stream.py",
        "            trouble = graver(trouble, await survived(self._tell_one(tell)))\n",
        "            await self._tell_one(tell)\n",
        "tests/test_stream.py::test_a_layer_that_raises_when_told_does_not_keep_the_others_from_being_told",
    ),
    (
        "stream.py",
        "        if not self._closed:\n            self._closed = True\n",
        "        if True:\n",
        "tests/test_attempt.py::test_a_cancellation_at_any_step_tells_every_layer_once_and_closes_every_connection_once",
    ),
    (
        "stream.py",
        "        if self._busy:\n            raise RuntimeError(",
        "        if False:\n            raise RuntimeError(",
        "tests/test_stream.py::test_two_readers_are_refused_and_the_first_goes_on",
    ),
    (
        "stream.py",
        "        if self._end is None and self._fold.finished and not self._received:\n            await self._read_on()\n",
        "",
        "tests/test_stream.py::test_leaving_after_a_finish_reason_reads_on_for_the_usage",
    ),
]
