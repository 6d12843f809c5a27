"""The server's side of an exchange: it relays what it cannot read, then receives mixed updates."""

from __future__ import annotations

from dataclasses import dataclass, field

from fflbench.defenses.ffl.envelope import Fragment
from fflbench.defenses.ffl.peer import Announcement, Mixed

Message = Announcement | Fragment | Mixed


@dataclass
class Server:
    """Knows the peers by their pseudonyms. `seen` is everything that it ever got, in order: its whole view; without
    `remembers` it keeps no fragment that it has passed on."""

    remembers: bool = True
    seen: list[Message] = field(default_factory=list)
    keys: dict[int, Announcement] = field(default_factory=dict)
    mixed: dict[int, Mixed] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """A message from the wire. Of two uploads of a peer the first counts."""
        if self.remembers or not isinstance(message, Fragment):
            self.seen.append(message)
        phase = {Announcement: "key agreement", Fragment: "exchange", Mixed: "upload"}[type(message)]
        self.received[phase] = self.received.get(phase, 0) + message.size
        if isinstance(message, Announcement):
            self.keys[message.sender] = message
        elif isinstance(message, Mixed):
            self.mixed.setdefault(message.sender, message)
