from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("storage", "0005_consents"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="limit",
            name="site_limit_not_negative",
        ),
        migrations.AddField(
            model_name="limit",
            name="kwh",
            field=models.DecimalField(decimal_places=3, max_digits=12, null=True),
        ),
        migrations.AddField(
            model_name="limit",
            name="period",
            field=models.CharField(default="day", max_length=24),
        ),
        migrations.AddField(
            model_name="limit",
            name="follows_peak",
            field=models.BooleanField(default=False),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kw__isnull", True), ("kw__gte", 0), _connector="OR"),
                    models.Q(("phase_a__isnull", True), ("phase_a__gte", 0), _connector="OR"),
                    models.Q(("kwh__isnull", True), ("kwh__gte", 0), _connector="OR"),
                    models.Q(
                        ("kw__isnull", False),
                        ("phase_a__isnull", False),
                        ("kwh__isnull", False),
                        _connector="OR",
                    ),
                    ("interval_s__range", (0, 86400)),
                ),
                name="site_limit_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(("period__in", ["day", "month", "zone"])),
                name="site_limit_period_word",
            ),
        ),
    ]
