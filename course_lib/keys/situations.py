"""Exercises that ask for one word for each of several situations: Situations(right, words)."""

from course_lib.judge import Layer
from course_lib.keys.lines import words_of


class Situations:
    """right: {letter: the words that are right for it}; words: all words there are; read: how a student's is read."""

    def __init__(self, right, words, read=lambda word: word):
        self.right, self.words, self.read = right, words, read

    def said(self, value):
        """The words, whether they came as a list or as a dict by letters, with or without module and brackets."""
        value = [value[letter] for letter in self.right if letter in value] if isinstance(value, dict) else value
        return [self.read(word) for word in words_of(value)]

    def demand(self, answer, meaning):
        """A right word for each letter; meaning: what such a word is."""
        said = self.said(answer.value)
        shaped = len(said) == len(self.right) and all(word in self.words for word in said)
        wanted = f"a list of six words, for A to F in this order, out of: {', '.join(self.words)}"
        answer.holds(shaped, wanted, self._not_a_list_of_words(said), layer=Layer.TYPE)
        if shaped:
            wrong = [letter for letter, word in zip(self.right, said, strict=True) if word not in self.right[letter]]
            answer.holds(not wrong, meaning, f"yours do not fit {' and '.join(wrong)}", layer=Layer.VALUE)

    def _not_a_list_of_words(self, said):
        """What is the matter with a list that is not as many of the words, or None where it is no list."""
        pairs = zip(self.right, said, strict=False)
        unknown = [f"{word[:30]!r} for {letter}" for letter, word in pairs if word not in self.words]
        if unknown and len(said) == len(self.right):
            return f"you wrote {' and '.join(unknown)}, which is none of the words"
        return f"your list has {len(said)} word{'s' * (len(said) != 1)}" if said else None

    def add_wrong_word(self, exercise, id, letter, words, sentence):
        """A mistake of the exercise: the idea behind these words at a letter, if that is the first that is wrong."""

        def recognise(transcript):
            said = self.said(transcript[0][2].value)
            pairs = zip(self.right, said, strict=True) if len(said) == len(self.right) else ()
            first = next(((at, word) for at, word in pairs if word not in self.right[at]), None)
            return first is not None and first[0] == letter and first[1] in words

        def answer():
            return [words[0] if at == letter else right[0] for at, right in self.right.items()]

        answer.__name__, answer.__doc__ = f"{letter}_{words[0]}", sentence
        exercise.mistake(id, fresh=True, recognise=recognise)(answer)
