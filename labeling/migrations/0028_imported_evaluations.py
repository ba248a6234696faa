"""A label of an evaluation that was imported stays one: it measures, and nothing learns from it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0027_label_origins'),
    ]

    operations = [
        migrations.AlterField(
            model_name='labelingtask',
            name='purpose',
            field=models.CharField(choices=[('training', 'Training'), ('evaluation', 'Evaluation'), ('screening', 'Screening'), ('imported', 'Imported'), ('imported_eval', 'Imported, of an evaluation')], default='training', max_length=16),
        ),
    ]
