"""Answers to lesson 10 as students write them, by checkpoint."""

from tests.answers.bank_10 import bank

__all__ = ["bank"]
