from django.db import migrations, models

OUTPUTS = """
-- a meter with several outputs is at several points at the same time
alter table meter_mounting drop constraint meter_mounting_meter_id_exclusive;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("storage", "0006_energy_limits"),
    ]

    operations = [
        migrations.RunSQL(OUTPUTS),
        migrations.RemoveConstraint(
            model_name="contract",
            name="contract_resource_word",
        ),
        migrations.RemoveConstraint(
            model_name="meter",
            name="meter_resource_word",
        ),
        migrations.RemoveConstraint(
            model_name="meteringpoint",
            name="metering_point_resource_word",
        ),
        migrations.RemoveConstraint(
            model_name="metermounting",
            name="meter_mounting_unique",
        ),
        migrations.AddConstraint(
            model_name="contract",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "resource__in",
                        [
                            "electricity",
                            "reactive",
                            "cold_water",
                            "hot_water",
                            "gas",
                            "heat",
                            "fuel",
                        ],
                    )
                ),
                name="contract_resource_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "resource__in",
                        [
                            "electricity",
                            "reactive",
                            "cold_water",
                            "hot_water",
                            "gas",
                            "heat",
                            "fuel",
                        ],
                    )
                ),
                name="meter_resource_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="meteringpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "resource__in",
                        [
                            "electricity",
                            "reactive",
                            "cold_water",
                            "hot_water",
                            "gas",
                            "heat",
                            "fuel",
                        ],
                    )
                ),
                name="metering_point_resource_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="metermounting",
            constraint=models.UniqueConstraint(
                fields=("meter", "point", "valid_from"), name="meter_mounting_unique"
            ),
        ),
    ]
