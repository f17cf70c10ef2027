"""What entitles a customer to terms of his own, and which of it a programme asks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("storage", "0019_response_guards")]

    operations = [
        migrations.AddField(
            "contract", "benefit", models.CharField(blank=True, default="", max_length=200)
        ),
        migrations.AddField("programme", "benefits", models.JSONField(default=list)),
    ]
