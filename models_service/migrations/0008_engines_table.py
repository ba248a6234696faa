"""The database keeps an engine's name; which there are stands in `models_service.engine_table`."""

import models_service.engine_table
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('models_service', '0007_check_report'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='modelversion',
            name='version_has_weights_or_endpoint',
        ),
        migrations.AlterField(
            model_name='modelversion',
            name='engine',
            field=models.CharField(choices=models_service.engine_table.engine_choices, default='local', max_length=16),
        ),
        migrations.AddConstraint(
            model_name='modelversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('checkpoint', ''), _negated=True), models.Q(('endpoint', {}), _negated=True), _connector='OR'), name='version_has_weights_or_endpoint'),
        ),
    ]
