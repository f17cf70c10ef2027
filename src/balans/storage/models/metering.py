"""Metering points, meters, modules with their channels, and hubs."""

from fractions import Fraction

from django.db import models
from django.db.models import Q
from typing_extensions import override

from balans.core.words import Phase, PointRole, Resource
from balans.storage.models.fields import code_check, inside, period_check, word, word_check
from balans.storage.models.tree import Period, TenantRow

REGISTER_MODULUS = 2**31


class MeteringPoint(TenantRow):
    """Where a resource is measured. It stays while meters come and go."""

    node = inside("storage.Node")
    code = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    resource = word()
    phase = word(null=True, blank=True)
    role = word()

    class Meta:
        db_table = "metering_point"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="metering_point_code_unique"),
            code_check("metering_point"),
            word_check("metering_point", "resource", Resource),
            word_check("metering_point", "phase", Phase),
            word_check("metering_point", "role", PointRole),
        ]

    @override
    def __str__(self) -> str:
        return self.code


class Meter(TenantRow):
    """A meter with pulse output.

    A pulse is worth `pulse_weight` [Wh, varh or l], times `transformer_ratio`; both are kept as
    fractions, since 600 pulses a kWh have no decimal weight. The register of the channel returns
    to 0 at `register_modulus` pulses.
    """

    serial = models.CharField(max_length=64)
    resource = word()
    pulse_weight_numerator = models.BigIntegerField()
    pulse_weight_denominator = models.BigIntegerField(default=1)
    transformer_ratio_numerator = models.BigIntegerField(default=1)
    transformer_ratio_denominator = models.BigIntegerField(default=1)
    register_modulus = models.BigIntegerField(default=REGISTER_MODULUS)

    class Meta:
        db_table = "meter"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "serial"], name="meter_serial_unique"),
            word_check("meter", "resource", Resource),
            models.CheckConstraint(
                name="meter_positive",
                condition=Q(
                    pulse_weight_numerator__gt=0,
                    pulse_weight_denominator__gt=0,
                    transformer_ratio_numerator__gt=0,
                    transformer_ratio_denominator__gt=0,
                    register_modulus__range=(2, REGISTER_MODULUS),
                ),
            ),
        ]

    @property
    def pulse_weight(self) -> Fraction:
        """Worth of a pulse before the transformer ratio [Wh, varh or l]."""
        return Fraction(self.pulse_weight_numerator, self.pulse_weight_denominator)

    @property
    def transformer_ratio(self) -> Fraction:
        """Ratio of current times voltage transformers; 1 without."""
        return Fraction(self.transformer_ratio_numerator, self.transformer_ratio_denominator)


class Hub(TenantRow):
    """A concentrator, or with `controls` the gateway that runs load control of its site."""

    code = models.CharField(max_length=64, unique=True)  # stands in topics, so one for all tenants
    name = models.CharField(max_length=200, blank=True)
    site = inside("storage.Node")
    controls = models.BooleanField(default=False)
    removed_at = models.DateTimeField(null=True, blank=True)  # then the code is free again

    class Meta:
        db_table = "hub"
        constraints = [
            code_check("hub"),
            models.UniqueConstraint(
                fields=["site"], condition=Q(controls=True), name="hub_one_control_a_site"
            ),
        ]


class Module(TenantRow):
    """A radio module with up to three pulse inputs, with a switching adapter up to two."""

    serial = models.BigIntegerField(unique=True)  # stands in readings, so one for all tenants
    hub = inside("storage.Hub", null=True, blank=True)
    node = inside("storage.Node")
    has_adapter = models.BooleanField(default=False)
    removed_at = models.DateTimeField(null=True, blank=True)  # its channels keep their readings

    class Meta:
        db_table = "module"
        constraints = [
            models.CheckConstraint(
                name="module_serial_u32", condition=Q(serial__range=(0, 2**32 - 1))
            )
        ]


class Channel(TenantRow):
    """One pulse input of a module. Its id stands in the tables of readings."""

    id = models.AutoField(primary_key=True)
    module = inside("storage.Module")
    input = models.SmallIntegerField()

    class Meta:
        db_table = "channel"
        constraints = [
            models.UniqueConstraint(fields=["module", "input"], name="channel_input_unique"),
            models.CheckConstraint(name="channel_input_range", condition=Q(input__range=(1, 3))),
        ]


class MeterMounting(TenantRow, Period):
    """A meter at a point, and the channel that counts its pulses, for a period.

    A meter with several outputs (active and reactive, or one a phase) is at several points of one
    node at the same time, each with a channel of its own.

    `register_at_mount` and `register_at_removal` are registers of the channel [pulses] at the
    ends of the period; `dial_at_mount` and `dial_at_removal` what the face of the meter showed
    then [Wh, varh or l], so that the dial of any time can be told.
    """

    meter = inside("storage.Meter")
    point = inside("storage.MeteringPoint")
    channel = inside("storage.Channel", null=True, blank=True)
    register_at_mount = models.IntegerField(null=True, blank=True)
    register_at_removal = models.IntegerField(null=True, blank=True)
    dial_at_mount = models.DecimalField(max_digits=18, decimal_places=3, null=True, blank=True)
    dial_at_removal = models.DecimalField(max_digits=18, decimal_places=3, null=True, blank=True)

    class Meta:
        db_table = "meter_mounting"
        constraints = [
            period_check("meter_mounting"),
            models.UniqueConstraint(
                fields=["meter", "point", "valid_from"], name="meter_mounting_unique"
            ),
            models.CheckConstraint(
                name="meter_mounting_removal",
                condition=Q(valid_to__isnull=False)
                | Q(register_at_removal__isnull=True, dial_at_removal__isnull=True),
            ),
        ]
