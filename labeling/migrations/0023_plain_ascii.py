"""The same words sooner: ASCII, which most texts are, needs no normal form and has no script
without spaces. No stored row changes.
"""

import importlib

from django.db import migrations

BEFORE = importlib.import_module("labeling.migrations.0021_plain_faster")
PLAIN = r"""
CREATE OR REPLACE FUNCTION labeling_plain(said text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN octet_length(said) = length(said) THEN
  regexp_replace(lower(said COLLATE pg_c_utf8), '[^[:alnum:] ]' COLLATE pg_c_utf8, ' ', 'g')
ELSE
  regexp_replace(
    regexp_replace(
      lower((CASE WHEN said IS NFKC NORMALIZED THEN said ELSE normalize(said, NFKC) END)
        COLLATE pg_c_utf8),
      '[^[:alnum:] ]' COLLATE pg_c_utf8, ' ', 'g'
    ),
    '([\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF])',
    ' \1 ', 'g'
  )
END;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0022_task_lists'),
    ]

    operations = [
        migrations.RunSQL(PLAIN, BEFORE.PLAIN.format(signs='[^[:alnum:] ]')),
    ]
