"""
`harness` with a short patience, so that a minute tries many faults: the limits of time are seconds
here. Those of bytes and of values are the real ones.
"""

from harness.cli import main
from harness.models.hub import bounds, client, pace

pace.WINDOW_S = 1.5
bounds.LONGEST_ANSWER_S = 4.0
bounds.LONGEST_IN_ALL_S = 8.0
bounds.LONGEST_SILENCE_S = 1.0
client.RetryPolicy.__init__.__defaults__ = (6, 0.01, 0.01, 600.0)

main()
