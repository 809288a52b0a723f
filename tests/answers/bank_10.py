"""The one bank of lesson 10, which the modules engine_*.py fill."""

from tests.answers import Bank

bank = Bank("10")
