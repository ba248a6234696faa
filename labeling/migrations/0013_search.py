"""Words to search prompts, completions and demonstrations by, and indexes for the desk's lists.

`said` is a generated column that the ORM does not know, so that nothing reads it but a search, and
nothing has to keep it up to date; labeling.selectors.search asks for it. Adding it writes each of
the three tables anew: a million prompts take some minutes.

Any script can be searched. Words are split by Unicode's classes whatever the locale of the
database; scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) count every
character as a word, so that a run of them is found as a phrase.
"""

from django.db import migrations, models

FUNCTIONS = r"""
CREATE FUNCTION labeling_plain(said text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(
  regexp_replace(
    lower((CASE WHEN said IS NFKC NORMALIZED THEN said ELSE normalize(said, NFKC) END)
      COLLATE pg_c_utf8),
    '[^[:alnum:]]+' COLLATE pg_c_utf8, ' ', 'g'
  ),
  '([\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF])',
  ' \1 ', 'g'
);
-- A tsvector holds a megabyte at most; a text's first hundred thousand characters fit in any script.
CREATE FUNCTION labeling_words(said text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_tsvector('pg_catalog.simple', labeling_plain(left(said, 100000)));

CREATE FUNCTION labeling_conversation(messages jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg(said #>> '{}', ' ')
  FROM jsonb_path_query(messages, '$[*].content') AS said);

-- Words one after the other; the last may go on where `beginning`.
CREATE FUNCTION labeling_asked(term text, beginning boolean) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (COALESCE(
  NULLIF(phraseto_tsquery('pg_catalog.simple', labeling_plain(term))::text, '')
    || CASE WHEN beginning THEN ':*' ELSE '' END,
  ''
))::tsquery;
"""
NO_FUNCTIONS = """
DROP FUNCTION labeling_asked, labeling_conversation, labeling_words, labeling_plain;
"""
WORDS = {
    "labeling_prompt": "labeling_words(labeling_conversation(messages))",
    "labeling_completion": "labeling_words(text)",
    "labeling_demonstration": "labeling_words(text)",
}
ADD = """
ALTER TABLE {table} ADD COLUMN said tsvector GENERATED ALWAYS AS ({words}) STORED;
CREATE INDEX {table}_said ON {table} USING gin (said);
"""
DROP = "ALTER TABLE {table} DROP COLUMN said;"


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0012_intake'),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, NO_FUNCTIONS),
        *(
            migrations.RunSQL(ADD.format(table=table, words=words), DROP.format(table=table))
            for table, words in WORDS.items()
        ),
    ]
