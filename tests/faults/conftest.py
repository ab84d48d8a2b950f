"""The bench of the rows is no test module, and its assertions are to be explained all the same."""

import pytest

pytest.register_assert_rewrite(f"{__package__}.rows")
