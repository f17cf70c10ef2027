"""Signatures on what binds hubs: commands, limits, consents, calls, groups, beats.

What goes to a hub whose tenant has no key goes unsigned, as it always did. Public keys come from
the database, private ones from files; a head-end that lacks them says so and sends unsigned, which
gateways that know keys refuse.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from balans.adapters.signing import SigningKey
from balans.core.clock import Clock
from balans.core.errors import InputError
from balans.headend.database import Database
from balans.protocols.hub import Binding, Keys, decode, encode, signed
from balans.storage import signing_keys
from balans.storage.signing_keys import KeyRing
from balans.wiring.keys import KeyFolder, signer_of, signers_of
from balans.wiring.service import Complaints

HUB: Final = 3
"""Place of the hub's code in its topics."""
HUBS_KEPT: Final = 100_000
log = logging.getLogger(__name__)

Publish = Callable[[str, bytes, bool], Awaitable[bool]]


class Seals:
    """Knows the keys of all tenants.

    Parameters
    ----------
    clock
        Time of the sites, by which keys count.
    folder
        Where private keys are.
    """

    def __init__(self, database: Database, clock: Clock, folder: KeyFolder) -> None:
        self._database = database
        self._clock = clock
        self._folder = folder
        self._complaints = Complaints(log)
        self._rings: Mapping[int, KeyRing] = {}
        self._private: dict[int, dict[str, SigningKey]] = {}
        self._signers: dict[int, str] = {}
        self._tenants: dict[str, int | None] = {}
        self._known = asyncio.Event()

    @property
    def rings(self) -> Mapping[int, KeyRing]:
        """The keys of the tenants that have any."""
        return self._rings

    async def refresh(self) -> bool:
        """Read the keys again; return whether what is signed with has changed, or what counts.

        It also changes when a key ends: what was signed with it has to be signed anew.

        Raises
        ------
        UnavailableError
            If the database cannot be used now.
        """
        rings = await self._database.call(signing_keys.key_rings)
        private = {
            tenant: await asyncio.to_thread(self._load, ring) for tenant, ring in rings.items()
        }
        before = (self._rings, self._signers)
        self._rings, self._private = rings, private
        self._signers = {tenant: key.id for tenant in rings if (key := self.signer(tenant))}
        self._tenants.clear()  # a hub may be another tenant's now
        self._known.set()
        return before != (self._rings, self._signers)

    def signer(self, tenant_id: int) -> SigningKey | None:
        """Return the key that a tenant's messages are signed with now, None without one."""
        ring = self._rings.get(tenant_id)
        if ring is None:
            return None
        found = signer_of(ring, self._private.get(tenant_id, {}), self._clock.now())
        if found is None:
            what = f"tenant {ring.tenant_code}"
            self._complaints.add(what, f"no private key that counts in {self._folder.path}")
        return found

    def seal(self, tenant_id: int, topic: str, data: bytes) -> bytes | None:
        """Return the envelope of `data` for `topic`; None if the tenant has no key here."""
        key = self.signer(tenant_id)
        return None if key is None else encode(signed(topic, data, key.id, key.sign))

    def announcements(self, tenant_id: int) -> list[tuple[str, bytes]]:
        """Return which keys count, once for each that can sign it: its name, and the message."""
        ring = self._rings.get(tenant_id)
        if ring is None:
            return []
        now = self._clock.now()
        keys = encode(Keys(ring.version, tenant_id, ring.trusted(now)))
        private = self._private.get(tenant_id, {})
        return [(key.id, keys) for key in signers_of(ring, private, now)]

    def ended(self, tenant_id: int) -> list[str]:
        """Return the names of a tenant's keys that do not count any more."""
        ring, now = self._rings.get(tenant_id), self._clock.now()
        keys = ring.keys if ring is not None else ()
        return [one.ident for one in keys if one.not_after is not None and one.not_after <= now]

    def sign_with(self, tenant_id: int, ident: str, topic: str, data: bytes) -> bytes:
        """Return the envelope of `data` signed with one of the keys of `announcements`."""
        key = self._private[tenant_id][ident]
        return encode(signed(topic, data, key.id, key.sign))

    async def for_hub(self, topic: str, data: bytes) -> bytes:
        """Return what goes to the hub of `topic`: signed, if it binds the hub and there is a key.

        Raises
        ------
        UnavailableError
            If the database cannot be used now.
        """
        await self._known.wait()
        if not self._rings or not isinstance(decode(data), Binding):
            return data
        tenant_id = await self.tenant_of(topic.split("/")[HUB])
        found = None if tenant_id is None else self.seal(tenant_id, topic, data)
        return data if found is None else found

    async def tenant_of(self, hub: str) -> int | None:
        """Return the tenant of a hub, None for one that nobody has registered."""
        if hub not in self._tenants:
            if len(self._tenants) >= HUBS_KEPT:
                self._tenants.clear()
            self._tenants[hub] = await self._database.call(signing_keys.tenant_of_hub, hub)
        return self._tenants[hub]

    def _load(self, ring: KeyRing) -> dict[str, SigningKey]:
        try:
            return self._folder.load(ring.tenant_code)
        except InputError as error:
            self._complaints.add(f"keys of tenant {ring.tenant_code}", str(error))
            return {}
