"""If these fail, photographs that may be used are left out, or some are used under a licence that they are not under."""

import pytest

from app.catalog.licences import LICENCES
from app.domain.licence_names import licence_key, port_note

COCO = {
    ("Attribution-NonCommercial-ShareAlike License", "http://creativecommons.org/licenses/by-nc-sa/2.0/"): "CC-BY-NC-SA-2.0",
    ("Attribution-NonCommercial License", "http://creativecommons.org/licenses/by-nc/2.0/"): "CC-BY-NC-2.0",
    ("Attribution-NonCommercial-NoDerivs License", "http://creativecommons.org/licenses/by-nc-nd/2.0/"): "CC-BY-NC-ND-2.0",
    ("Attribution License", "http://creativecommons.org/licenses/by/2.0/"): "CC-BY-2.0",
    ("Attribution-ShareAlike License", "http://creativecommons.org/licenses/by-sa/2.0/"): "CC-BY-SA-2.0",
    ("Attribution-NoDerivs License", "http://creativecommons.org/licenses/by-nd/2.0/"): "CC-BY-ND-2.0",
    ("No known copyright restrictions", "http://flickr.com/commons/usage/"): "no-known-restrictions",
    ("United States Government Work", "http://www.usa.gov/copyright.shtml"): "US-Gov",
}
"""The eight licences of COCO's annotation files, word for word."""


@pytest.mark.parametrize("key", LICENCES)
def test_every_licence_is_known_by_its_key_title_and_address(key: str) -> None:
    spec = LICENCES[key]
    for text in (key, key.lower(), key.upper(), f"  {spec.title}\n", spec.url or key, spec.url.removesuffix("/") or key):
        assert licence_key(text, LICENCES) == key, text


@pytest.mark.parametrize(("written", "key"), COCO.items())
def test_cocos_licences_are_known_by_name_and_address(written: tuple[str, str], key: str) -> None:
    assert [licence_key(text, LICENCES) for text in written] == [key, key]
    assert key in LICENCES


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("CC BY 4.0", "CC-BY-4.0"),
        ("cc_by_sa_4.0", "CC-BY-SA-4.0"),
        ("CC BY NC SA 2", "CC-BY-NC-SA-2.0"),
        ("CC BY 2.5", "CC-BY-2.5"),
        ("cc-by-nc-nd-3", "CC-BY-NC-ND-3.0"),
        ("Creative Commons Attribution-Share Alike 4.0 International", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution 2.5 Generic License", "CC-BY-2.5"),
        ("Attribution-NonCommercial-ShareAlike 3.0 Unported (CC BY-NC-SA 3.0)", "CC-BY-NC-SA-3.0"),
        ("Creative Commons Attribution Non-Commercial No Derivatives 4.0", "CC-BY-NC-ND-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.en", "CC-BY-4.0"),
        ("//creativecommons.org/licenses/by-nc/2.0", "CC-BY-NC-2.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/legalcode", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/licenses/by/2.5/", "CC-BY-2.5"),
        ("http://creativecommons.org/licenses/by-sa/3.0/deed.de", "CC-BY-SA-3.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.de", "CC0-1.0"),
        ("cc0", "CC0-1.0"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        ("Creative Commons Zero v1.0 Universal", "CC0-1.0"),
        ("Public Domain Dedication (CC0)", "CC0-1.0"),
        ("public domain", "PDM-1.0"),
        ("Public Domain Mark", "PDM-1.0"),
        ("Unsplash License", "unsplash"),
        ("All Rights Reserved", "all-rights-reserved"),
        ("MIT License", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
    ],
)
def test_common_spellings_are_known(text: str, key: str) -> None:
    assert licence_key(text, LICENCES) == key
    assert key in LICENCES


@pytest.mark.parametrize(
    "text",
    [
        "", "CC BY", "CC", "Attribution", "Creative Commons Attribution", "CC BY 5.0", "CC NC 4.0", "CC BY BY 4.0",
        "CC BY 4.0 or MIT", "CC BY 2.0 4.0", "Apache 1.1", "CC0 2.0", "own licence, ask Ada", "GPL-3.0", "free for research",
        "https://creativecommons.org/licenses/by/2.0/zz/", "https://creativecommons.org/licenses/by/4.0/us/", "CC BY 4.0 US",
        "CC0 1.0 US", "https://creativecommons.org/licenses/by/2.1/es/", "CC BY 3.0 (CC BY 2.0)", "CC BY 3.0 or",
        "https://creativecommons.org.evil.example/licenses/by/4.0/",
        "https://example.org/?l=https://creativecommons.org/licenses/by/4.0/", "not public domain", "by 4.0 nobody",
        "(CC BY 4.0)" * 1000,
    ],
)  # fmt: skip
def test_what_is_not_surely_one_of_them_stays_as_it_was_written(text: str) -> None:
    """A guess would put a photograph into a release that must not be there."""
    assert licence_key(text, LICENCES) == text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("https://creativecommons.org/licenses/by/3.0/us/", "CC-BY-3.0-US"),
        ("https://creativecommons.org/licenses/by-sa/3.0/de/deed.en", "CC-BY-SA-3.0-DE"),
        ("https://creativecommons.org/licenses/by/3.0/igo/legalcode", "CC-BY-3.0-IGO"),
        ("https://spdx.org/licenses/CC-BY-NC-SA-2.0-FR.html", "CC-BY-NC-SA-2.0-FR"),
        ("CC BY 3.0 US", "CC-BY-3.0-US"),
        ("Attribution 3.0 United States (CC BY 3.0 US)", "CC-BY-3.0-US"),
        ("Creative Commons Attribution Share Alike 2.0 England and Wales", "CC-BY-SA-2.0-UK"),
        ("https://creativecommons.org/licenses/by-sa/2.1/jp/", "CC-BY-SA-2.1-JP"),
    ],
)
def test_a_licence_of_a_country_that_spdx_has_is_that_one(text: str, key: str) -> None:
    assert (licence_key(text, LICENCES), port_note(text, LICENCES)) == (key, "")
    assert key in LICENCES


@pytest.mark.parametrize(
    ("text", "key", "ported"),
    [
        ("https://creativecommons.org/licenses/by/2.0/de/", "CC-BY-2.0", "CC-BY-2.0-DE"),
        ("http://creativecommons.org/licenses/by-nc-nd/2.5/scotland/", "CC-BY-NC-ND-2.5", "CC-BY-NC-ND-2.5-SCOTLAND"),
        ("CC BY-SA 3.0 NL", "CC-BY-SA-3.0", "CC-BY-SA-3.0-NL"),
        ("CC-BY-ND-2.0-FR", "CC-BY-ND-2.0", "CC-BY-ND-2.0-FR"),
    ],
)
def test_any_other_is_the_unported_one_and_which_it_was_is_noted(text: str, key: str, ported: str) -> None:
    """Else a release names another text than the author's, and nobody can tell."""
    assert licence_key(text, LICENCES) == key
    assert port_note(text, LICENCES) == f"licence {ported}, kept as {key}"
