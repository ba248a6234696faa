"""Labels that come in from files: what a row says, and how it is kept.

shapes.py       the public shapes, told apart by their columns: the one list
own.py pairs.py answers.py trees.py liked.py   what the rows of a family of shapes say
about.py        whose label it is, from which set, on which side of the split
turns.py        conversations and transcripts, however they are written
parsed.py       a label that is not stored yet
gathering.py    rows that say something only together: message trees, liked answers
looking.py      a batch of rows → labels to be staged, and the bad ones by line
conflicts.py    rows that contradict each other, or what is here
storing.py      staged labels → prompts, tasks, completions and labels
"""
