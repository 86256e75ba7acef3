"""What a chat is asked."""

from __future__ import annotations

CHAT_MESSAGE = """\
My neighbour keeps bees on the roof of our house, and since last summer I help her on Saturdays. \
She lifts the frames out slowly, one after the other, and I hold the smoker and write down what \
she says: how much brood, how many cells of honey are closed, whether she saw the queen. In May \
the hive on the left became so full that half of the bees left with the old queen and hung in the \
cherry tree across the street for an afternoon. We fetched them with a cardboard box and a brush, \
and in the evening they walked into their new hive as if they had planned it. This year she wants \
me to look after that hive myself. I have read that I should check the stores before the winter, \
treat the bees against mites in August, and otherwise leave them in peace, but the books disagree \
about nearly everything else. Please explain, in a few plain sentences, what I should watch for \
between March and October, which of these things cannot wait, and how I would notice early that \
something is wrong with the colony."""
"""Plain prose of about 200 words: random tokens would skew which experts a model picks."""
