"""The demo set of a first start, data only: prompts, demonstrations and guidelines.

`prompts.jsonl` holds one prompt a line, `demonstrations.jsonl` ideal responses to some of them
(keyed by the prompt's 0-based line), and `guidelines/<kind>-<purpose>.md` one guideline per kind
and purpose of task. Everything was written for this repository; people and organisations in it
are invented. `seed` puts it in.
"""
