"""Kling's API: an image is a task, which is created (and paid), looked at until it is done, and downloaded.

Only creating costs money. Once the task's id is known nothing is lost for good: whoever has it can look again.
"""

import base64
import ipaddress
import re
import socket
import threading
import time
from typing import Any

import httpx
import jwt

from app.domain.geometry import ASPECT_TOLERANCE
from workers.providers import wire
from workers.providers.base import Accepted, Access, CallFailed, ImageAnswer, ImageRequest, Trouble, ignore

WHO = "Kling"
_TASKS = "/v1/images/omni-image"
_TOKEN_SECONDS, _TOKEN_LEFT, _CLOCKS_APART = 1800, 300, 5
_LOOK_SECONDS = 30.0
_DOWNLOADS = 3
_MOST_BYTES = 64 << 20
_ACCOUNT = frozenset({*range(1000, 1005), *range(1100, 1104), 1304})
"""Codes of wrong keys and tokens, arrears, used-up resource packs, missing permissions and addresses not allowed."""
_CODES = {1300: Trouble.REFUSED, 1301: Trouble.REFUSED, 1302: Trouble.BUSY, 1303: Trouble.BUSY, 5001: Trouble.BUSY}
_CONTENT = re.compile(r"risk control|content|sensitiv|polic|safety|moderat|prohibit|violat|inappropriate|nsfw", re.I)
_PASSING = frozenset({Trouble.BUSY, Trouble.BROKEN, Trouble.UNSENT, Trouble.LOST})
"""Troubles of a look at a task that may be over at the next look."""


class Kling:
    """One client per process, safe for many threads."""

    def __init__(self, access: Access) -> None:
        self._access = wire.usable(access, WHO)
        self._http = wire.http_client(access.timeout)
        self._lock = threading.Lock()
        self._token, self._expires = "", 0.0

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def edit_image(self, request: ImageRequest, accepted: Accepted = ignore) -> ImageAnswer:
        """Raises ``CallFailed`` (LOST) naming the task when it is not done, or cannot be seen or downloaded, in time."""
        ends = time.monotonic() + self._access.timeout
        task = request.remote_id
        if not task:
            task = self._create(request)
            accepted(task)
        return self._wait(task, ends)

    def _create(self, request: ImageRequest) -> str:
        body = {
            "model_name": request.model,
            "prompt": request.prompt,
            "image_list": [{"image": base64.b64encode(request.image).decode()}],
            "resolution": "1k",
            "n": 1,
            "aspect_ratio": _ratio(request),
            "external_task_id": request.reference,
        }
        task = self._call("POST", _TASKS, body, self._access.timeout).get("task_id")
        if not task:
            raise wire.senseless(WHO, "no id for the task it took")
        return str(task)

    def _wait(self, task: str, ends: float) -> ImageAnswer:
        """Look at a task until it is done. Looks and downloads cost nothing, so those that fail are made again."""
        downloads = 0
        while True:
            pause = self._access.poll_seconds
            try:
                left = max(1.0, ends - time.monotonic())
                seen = self._call("GET", f"{_TASKS}/{task}", None, min(_LOOK_SECONDS, self._access.timeout, left))
            except CallFailed as failed:
                trouble, pause = str(failed), max(pause, failed.retry_after or 0.0)
                if failed.trouble not in _PASSING:
                    raise _lost(task, trouble) from None
            else:
                trouble = "it is not done yet"
                if seen.get("task_status") == "failed":
                    raise self._gave_up(seen)
                if seen.get("task_status") == "succeed":
                    images = wire.listing(wire.mapping(seen.get("task_result")).get("images"))
                    if not images:
                        raise wire.refused(WHO, "NO_IMAGE")
                    try:
                        return ImageAnswer(self._download(str(wire.mapping(images[0]).get("url"))), request_id=task)
                    except CallFailed as failed:
                        downloads, trouble = downloads + 1, f"its image cannot be downloaded: {failed}"
            if downloads >= _DOWNLOADS or time.monotonic() + pause >= ends:
                raise _lost(task, trouble)
            time.sleep(pause)

    def _gave_up(self, task: dict[str, Any]) -> CallFailed:
        words = wire.clean(task.get("task_status_msg"), self._access)
        if _CONTENT.search(words):
            return wire.refused(WHO, "TASK_REFUSED", words)
        return CallFailed(Trouble.BROKEN, f"{WHO}'s task failed: {words}", reason="TASK_FAILED")

    def _call(self, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
        """``data`` of an answer whose code is 0; ``seconds`` are for all of it. Raises ``CallFailed`` for every other."""
        headers = {"Authorization": f"Bearer {self._bearer()}"}
        try:
            answer = self._http.request(method, self._access.base_url + path, json=body, headers=headers, timeout=seconds)
        except wire.HTTP_ERRORS as error:
            raise wire.undelivered(WHO, error) from None
        reply = wire.lenient(answer.content)
        if answer.status_code == 200 and reply is None:
            raise wire.senseless(WHO, "an answer that cannot be read")
        reply = reply or {}
        code = reply.get("code")
        if answer.status_code == 200 and code == 0:
            return wire.mapping(reply.get("data"))
        told, message = str(code or ""), wire.clean(reply.get("message"), self._access)
        number = code if isinstance(code, int) else -1
        kind = Trouble.ACCOUNT if number in _ACCOUNT else _CODES.get(number)
        if kind is Trouble.REFUSED:
            raise wire.refused(WHO, told, message)
        if kind is None and answer.status_code == 200:  # an unknown code
            kind = Trouble.BAD_REQUEST if told.startswith("12") else Trouble.BROKEN
        wait = wire.retry_after(answer.headers.get("retry-after"))
        raise wire.failure(WHO, answer.status_code, told, message, wait, kind=kind)

    def _bearer(self) -> str:
        """The token, made anew before it expires; without a secret, the key itself."""
        if not self._access.secret:
            return self._access.key
        with self._lock:
            now = time.time()
            if self._expires - now < _TOKEN_LEFT:
                self._expires = now + _TOKEN_SECONDS
                claims = {"iss": self._access.key, "exp": int(self._expires), "nbf": int(now) - _CLOCKS_APART}
                self._token = jwt.encode(claims, self._access.secret, algorithm="HS256")
            return self._token

    def _download(self, url: str) -> bytes:
        """The bytes at an address that the provider told. Raises ``CallFailed``, also for an address in our own network."""
        target, address = checked(url, self._access.base_url)
        # The connection goes to the address that was checked; the name could mean another one a moment later.
        headers = {"Host": target.netloc.decode(), "Accept-Encoding": "identity"}
        pinned = self._http.build_request(
            "GET",
            target.copy_with(host=address),
            headers=headers,
            timeout=min(_LOOK_SECONDS, self._access.timeout),
            extensions={"sni_hostname": target.host},
        )
        try:
            answer = self._http.send(pinned, stream=True)
            try:
                if answer.status_code != 200:
                    raise CallFailed(Trouble.LOST, f"the server of {WHO}'s images answered {answer.status_code}")
                data = bytearray()
                for piece in answer.iter_bytes():
                    data += piece
                    if len(data) > _MOST_BYTES:
                        raise CallFailed(Trouble.LOST, f"it is larger than {_MOST_BYTES >> 20} MB")
                return bytes(data)
            finally:
                answer.close()
        except wire.HTTP_ERRORS as error:
            raise wire.undelivered(WHO, error) from None


def checked(url: str, base_url: str) -> tuple[httpx.URL, str]:
    """An address to download from, and the IP address to connect to.

    It has to be https and outside private networks, so that no answer can make this machine fetch what only it can reach; a
    stand-in on this machine may give its own. Raises ``CallFailed`` otherwise, and when the name means nothing.
    """
    ours = httpx.URL(base_url)
    stand_in = ours.host == "localhost" or _ip(ours.host, "is_loopback")
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        target = httpx.URL("")
    plain = target.scheme == "http" and ours.scheme == "http" and stand_in
    if not target.host or not (target.scheme == "https" or plain):
        raise CallFailed(Trouble.LOST, f"{WHO} named a place for its image that is no https address")
    try:
        ipaddress.ip_address(target.host)
        found = [target.host]
    except ValueError:
        try:
            entries = socket.getaddrinfo(target.host, target.port or 443, type=socket.SOCK_STREAM)
        except OSError:
            raise CallFailed(Trouble.UNSENT, f"the name {target.host} is not known") from None
        found = [str(entry[4][0]) for entry in sorted(entries, key=lambda entry: entry[0] != socket.AF_INET)]
    if not found or not (stand_in or all(_ip(address, "is_global") for address in found)):
        raise CallFailed(Trouble.LOST, f"{WHO} named a place for its image inside a private network")
    return target, found[0]


def _ip(host: str, quality: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return bool(getattr(address, quality)) and not address.is_multicast


def _ratio(request: ImageRequest) -> str:
    """The nearest ratio, or "auto" where none is near enough for the output to keep the LQ's framing."""
    nearest = wire.ratio_for("kling", request.model, request.width, request.height)
    wide, high = (int(side) for side in nearest.split(":"))
    return nearest if abs(request.width * high / (request.height * wide) - 1) <= ASPECT_TOLERANCE else "auto"


def _lost(task: str, trouble: str) -> CallFailed:
    return CallFailed(Trouble.LOST, f"{WHO}'s task {task} is paid for and can be looked at again: {trouble}")
