"""
What each task asks for: texts of our own, four a task.

Short, so that twenty answers take no minute; and such that a good answer is longer than the
TASK_TOKENS that are asked for, since what a model writes behind its end repeats itself.
"""

from __future__ import annotations

from collections.abc import Mapping

_REWRITE_PYTHON = """\
Rename the parameter `values` to `samples` everywhere in this Python code and add type hints. \
Answer with the whole code only.

```python
def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def spread(values):
    middle = mean(values)
    squares = [(value - middle) ** 2 for value in values]
    return (sum(squares) / (len(values) - 1)) ** 0.5


def largest(values):
    best = values[0]
    for value in values[1:]:
        if value > best:
            best = value
    return best
```"""

_REWRITE_JSON = """\
Change every "unit" in this JSON from "lb" to "kg", leave all else as it is, and answer with the \
whole document.

```json
[
  {"name": "flour", "unit": "lb", "stock": 120, "shelf": "A1"},
  {"name": "sugar", "unit": "lb", "stock": 45, "shelf": "A2"},
  {"name": "coffee", "unit": "lb", "stock": 18, "shelf": "B4"},
  {"name": "rice", "unit": "lb", "stock": 200, "shelf": "C1"},
  {"name": "beans", "unit": "lb", "stock": 75, "shelf": "C2"}
]
```"""

_REWRITE_SHELL = """\
In this script replace the folder /var/backup by /srv/archive and leave everything else as it is. \
Answer with the whole script only.

```sh
#!/bin/sh
set -eu
day=$(date +%F)
mkdir -p "/var/backup/$day"
for name in letters photos accounts; do
    tar -czf "/var/backup/$day/$name.tar.gz" "$HOME/$name"
    sha256sum "/var/backup/$day/$name.tar.gz" >> "/var/backup/$day/sums.txt"
done
find /var/backup -maxdepth 1 -type d -mtime +30 -exec rm -r {} +
```"""

_REWRITE_LETTER = """\
Copy this letter and change only the day from Tuesday to Thursday and the room from 12 to 31:

Dear Mrs. Okafor, thank you for your patience. The course on repairing old radios will begin on \
Tuesday at six in room 12. Please bring a small screwdriver and, if you have one, a radio that no \
longer works. On Tuesday we shall first open the cases and look for burnt parts; soldering comes a \
week later, again on Tuesday and again in room 12. If you cannot come on Tuesday, write to me by \
Sunday, and I will keep your place for the next course. With kind regards, Anton Weiss"""

_EXTRACT_ORDERS = """\
List every order in this message as JSON objects with the keys "customer", "item", "amount" and \
"price".

Hello Pia, here is what came in this morning. Mr. Tanaka wants 40 paper lamps at 3.20 each. The \
school in Lund ordered 12 wall clocks for 18.50 each, and Ms. Ferreira 3 oak tables at 210. The \
bakery at the harbour takes 25 blue cups, 4.10 each, and 6 trays for 9 each. Last, Dr. Novak asks \
for 2 reading chairs at 145 and says that there is no hurry."""

_EXTRACT_LOG = """\
Give every error in this log as a line "time, service, code":

08:01:12 mail started, 3 workers
08:02:47 ERROR web code 502 upstream closed
08:02:49 web retry 1
08:05:30 ERROR mail code 421 too many connections
08:07:02 backup finished, 1204 files
08:11:55 ERROR web code 504 timeout after 30 s
08:12:20 ERROR queue code 17 disk nearly full
08:15:41 queue cleaned 2.1 GB
08:19:09 ERROR mail code 550 no such user
08:21:33 ERROR web code 502 upstream closed
08:24:00 backup started"""

_EXTRACT_PLANTS = """\
Make a table with the columns plant, height, months of flowering and place from this text.

Along the wall we planted lavender, which grows 60 cm high, flowers from June to August and wants \
full sun. Behind it stands fennel, 150 cm, in flower in July and August, also in the sun. Under \
the pear tree there are ferns of 80 cm, which do not flower, and wood anemones, 20 cm, white in \
March and April, both in the shade. The pond has yellow iris, 100 cm, flowering in May and June, \
with its feet in the water."""

_EXTRACT_TRIP = """\
Write down every leg of this journey as "from - to, by, leaves, arrives":

We leave Porto at 7:15 on the train and reach Lisbon at 10:20. From there a ferry crosses to \
Barreiro from 10:45 until 11:05. The bus to Beja starts at 11:30 and comes in at 13:40. After \
lunch a taxi takes us from Beja to Serpa, 14:30 to 15:00, and from Serpa we walk to the mill, \
setting out at 15:15 and arriving about 17:30. On Sunday a neighbour drives us from the mill to \
Faro, 9:00 to 11:10, for the flight to Bristol at 13:05, which lands at 15:50."""

_SUMMARY_BRIDGE = """\
Summarize this report in five sentences.

The footbridge over the Lower Weir was closed on 3 March after a walker noticed that two boards \
moved under her feet. An inspection found rot in eleven of the ninety boards and rust on the bolts \
of the eastern pier, while the steel beams themselves are sound. The town considered three ways: \
to replace the boards alone for 9,000, to replace boards and bolts for 16,000, or to build a new \
bridge of concrete for 140,000. The council chose the second, since new bolts will last about \
thirty years and the steel beams at least fifty. Work begins in April, when the water is low \
enough to set up a scaffold, and takes three weeks. Until then walkers use the road bridge."""

_SUMMARY_BREAD = """\
Tell in your own words and in six sentences what this text says.

A dough of flour, water, salt and wild yeast changes for two days before it is baked. In the first \
hours the flour drinks the water and its proteins join into long threads, which hold the gas that \
comes later. Then the yeast begins to eat the sugars that the enzymes of the grain have freed, and \
bacteria beside it make acids, which give the taste and keep mould away. Cold slows all of this, \
and the bacteria less than the yeast: a night in the refrigerator makes a bread more sour. Bakers \
fold the dough now and then, which lines up the threads. In the oven the gas expands, the steam \
keeps the skin soft for some minutes, and only then a crust can form."""

_SUMMARY_MEETING = """\
Write minutes of this meeting with every decision and who does what.

Ines opened and said that the library had 4,100 visitors in May, a fifth more than a year ago. \
Paul complained that the heating in the reading room still fails; Ines will call the plumber on \
Monday. They agreed to open on Saturdays from ten to two, on trial until October, if Mira finds \
four volunteers by July. Mira also wants a shelf of games; Paul builds it for at most 80. The old \
encyclopedias go to the school, and what it does not want is sold at the summer market. The talk \
about bats on 9 June takes place in the garden, or in the hall when it rains; Paul brings the \
projector. The next meeting is on 2 July at five."""

_SUMMARY_LETTER = """\
Sum up for a busy reader, in about eighty words, what this letter asks for and why.

For eleven years I have rented the workshop behind the old dairy, and in all that time the rent \
was raised once. Now you ask for a third more from January on. I understand that the roof was \
expensive. But the yard floods twice a year, the gate has not closed since spring, and two of the \
five sockets are dead; I paid an electrician myself in 2021. I propose to pay a tenth more from \
January and another tenth a year later, if the drain is cleared and the sockets are mended before \
the winter. I would also take over painting the windows. I teach four apprentices here, and moving \
would cost us half a year. Could we talk on one of the next evenings?"""

_QUESTIONS = (
    "Why does the sky look blue at noon and red in the evening? Explain it to a curious child in "
    "about ten sentences.",
    "How does a bicycle stay upright while it is moving, and why does it fall over when it stands "
    "still? Explain the main reasons in detail.",
    "What happens inside a computer between pressing a key and seeing the letter on the screen? "
    "Describe every step in order.",
    "What should somebody know who wants to grow tomatoes on a balcony for the first time? Give "
    "advice from sowing to harvest.",
)

_STORIES = (
    "Write a story about a lighthouse keeper who finds a letter in a bottle, addressed to himself.",
    "Write the beginning of a story in which a clockmaker repairs a clock that runs backwards.",
    "Tell a tale of two sisters who dig a well in a dry valley and find something other than "
    "water.",
    "Write a story about a night train that stops at a station which is on no map.",
)

TASK_TEXTS: Mapping[str, tuple[str, ...]] = {
    "rewrite": (_REWRITE_PYTHON, _REWRITE_JSON, _REWRITE_SHELL, _REWRITE_LETTER),
    "extract": (_EXTRACT_ORDERS, _EXTRACT_LOG, _EXTRACT_PLANTS, _EXTRACT_TRIP),
    "summary": (_SUMMARY_BRIDGE, _SUMMARY_BREAD, _SUMMARY_MEETING, _SUMMARY_LETTER),
    "question": _QUESTIONS,
    "story": _STORIES,
}
"""By the name of the task."""
