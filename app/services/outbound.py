"""Requests to places that somebody else named: to public addresses only, and to the very address that was looked at.

A name is looked up here, each of its addresses is checked, and the connection goes to a checked one: a name server that
gives another answer a moment later changes nothing. Redirects are followed by hand, with the same checks each time.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from app.config import settings
from app.domain.addresses import is_public
from app.errors import BadImage
from app.politeness import Turn, turn, user_agent

MOST_REDIRECTS = 5
CONNECT_SECONDS, READ_SECONDS = 15.0, 30.0
LONGEST_URL = 2000
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}


def checked_url(text: str) -> httpx.URL:
    """An address that may be asked for, if its host may. Raises BadImage with the reason."""
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, TypeError) as error:
        raise BadImage("not an address that can be read") from error
    if len(text) > LONGEST_URL:
        raise BadImage(f"an address of {len(text)} characters; at most {LONGEST_URL} are taken")
    if url.scheme not in _PORTS:
        raise BadImage(f"an address of kind {url.scheme or 'unknown'!r}; only http and https are fetched")
    if not url.host or (url.port is not None and not 0 < url.port < 65536):
        raise BadImage("an address without a host, or with a port that cannot be")
    if url.userinfo:
        raise BadImage("an address with a user name or password in it")
    return url.copy_with(fragment=None)


def host_of(url: httpx.URL) -> str:
    """Host and port, as politeness and the setting of private hosts name them."""
    host = url.raw_host.decode("ascii").lower()
    return f"[{host}]:{_port(url)}" if ":" in host else f"{host}:{_port(url)}"


def _port(url: httpx.URL) -> int:
    return url.port or _PORTS[url.scheme]


def addresses(url: httpx.URL) -> list[str]:
    """The addresses of a URL's host, IPv4 first. Raises BadImage unless all of them are public or the host is allowed.

    An address may be written in many ways (127.1, 0x7f000001, 2130706433): it is read as the system would read it. Raises
    httpx.ConnectError for a name that nobody knows.
    """
    host = url.raw_host.decode("ascii")
    try:
        found = [str(ipaddress.ip_address(host))]
    except ValueError:
        try:
            found = [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            found = _looked_up(host, _port(url))
    if host_of(url) not in settings().private_hosts and not all(map(is_public, found)):
        raise BadImage(f"{url.host} is in a private network, where nothing is fetched from")
    return found


def _looked_up(host: str, port: int) -> list[str]:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{host} is not known") from error
    ordered = sorted(entries, key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in ordered))


class CheckedTransport(httpx.HTTPTransport):
    """Connects to addresses that were checked, one after the other; certificates are checked against the name as ever."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        failed: httpx.TransportError = httpx.ConnectError("no address")
        for address in addresses(request.url):
            extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")}
            there = request.url.copy_with(host=address)
            pinned = httpx.Request(
                request.method, there, headers=request.headers, stream=request.stream, extensions=extensions
            )
            try:
                return super().handle_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise failed


@lru_cache
def _client() -> httpx.Client:
    """One for all threads. No proxy of the environment, no redirect of its own, no cookies, and no connection used twice: a
    kept one was checked for the request that opened it."""
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=0)
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    transport = CheckedTransport(limits=limits)
    return httpx.Client(transport=transport, cookies=cookies, timeout=timeout, trust_env=False, follow_redirects=False)


@contextmanager
def opened(
    url: httpx.URL, headers: Mapping[str, str], gap: Callable[[httpx.URL], float]
) -> Iterator[tuple[httpx.URL, httpx.Response, Turn]]:
    """GET an address: where it led to, the answer with its body still to come, and the turn that the host gave us.

    ``gap`` is asked at each host for the seconds it rests afterwards; it raises where the host does not want us. Raises
    BadImage, Later, and httpx.HTTPError as httpx does.
    """
    for _ in range(MOST_REDIRECTS + 1):
        seconds = gap(url)
        with turn(host_of(url), seconds) as mine:
            request = _client().build_request("GET", url, headers={"User-Agent": user_agent(), **headers})
            answer = _client().send(request, stream=True)
            try:
                if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                    yield url, answer, mine
                    return
                target = answer.headers["location"]
            finally:
                answer.close()
        try:
            url = checked_url(str(url.join(target)))
        except (httpx.InvalidURL, ValueError) as error:
            raise BadImage("it leads to an address that cannot be read") from error
    raise BadImage(f"it leads from one address to the next, more than {MOST_REDIRECTS} times")
