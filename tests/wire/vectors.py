"""Public test vectors of Standard Webhooks: two HMAC from the libraries' tests, one Ed25519."""

from __future__ import annotations

from typing import NamedTuple


class Vector(NamedTuple):
    secret: str
    id: str
    timestamp: int
    body: bytes
    signature: str
    public: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {
            "webhook-id": self.id,
            "webhook-timestamp": str(self.timestamp),
            "webhook-signature": self.signature,
        }


V1 = Vector(
    secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    id="msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp=1614265330,
    body=b'{"test": 2432232314}',
    signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)
V2 = Vector(
    secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    id="msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
    timestamp=1649367553,
    body=b'{"email":"test@example.com","username":"test_user"}',
    signature="v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
)
V3 = Vector(
    secret="whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
    public="whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
    id="msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp=1614265330,
    body=b'{"test": 2432232314}',
    signature=(
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    ),
)
