"""URLs of sources: what is read, what is refused, and which prefixes and buckets match."""

from __future__ import annotations

import pytest

from imgsrv.allowed_places import parse_buckets, parse_prefixes
from imgsrv.web.sources.naming import masked, parse_source
from imgsrv.web.sources.urls import parse_url

READ = {
    "http://example.com": "http://example.com/",
    "HTTPS://Example.COM:443/A/b.jpg?X=Y": "https://example.com/A/b.jpg?X=Y",
    "http://8.8.8.8/": "http://8.8.8.8/",
    "http://8.example/": "http://8.example/",
    "https://example.com:8443/": "https://example.com:8443/",
    "http://[2606:4700::1]/a": "http://[2606:4700::1]/a",
    "https://example.com/ä ö.jpg".replace(" ", "%20"): "https://example.com/%C3%A4%20%C3%B6.jpg",
    "https://example.com/a%2Fb": "https://example.com/a%2Fb",
    "https://example.com/a..b/...": "https://example.com/a..b/...",
    "https://example.com/a?b=../c": "https://example.com/a?b=../c",
}

REFUSED = (
    *("http:/example.com/", "http:example.com", "http:///a", "http://", "http://:80/", "//example.com/", "ftp://a/"),
    *("http://user@example.com/", "http://user:pw@example.com/", "http://example.com@127.0.0.1/", "http://@127.0.0.1/"),
    *("http://example.com\\@127.0.0.1/", "http://example.com/\\..\\a", "http:\\\\127.0.0.1/", "http://a b/"),
    *("http://example.com#@127.0.0.1/", "http://example.com/#a", "http://example.com:0/", "http://example.com:65536/"),
    *("http://example.com:80:80/", "http://example.com:x/", "http://example.com:-1/", "http://１２７.0.0.1/"),
    *(
        "http://bücher.example/",
        "http://exa%6dple.com/",
        "http://127.0.0.1%00.example.com/",
        "http://a..b/",
        "http://.a/",
    ),
    *("http://a./", "http://-a/", "http://[::1", "http://::1/", "http://[fe80::1%25lo]/", "http://[::1]a/"),
    *("http://example.com/../a", "http://example.com/a/./b", "http://example.com/%2e%2e/a", "http://example.com/.%2E/"),
    *("http://example.com/%252e%252e/a", "http://example.com/a%2f..%2fb", "http://example.com/a%5c..%5cb"),
    *(
        "http://example.com/..;/a",
        "http://example.com/%25252525252e./a",
        "http://example.com/a\tb",
        "http://exa\nmple.com/",
    ),
    *(
        "http://127.1/",
        "http://010.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://2130706433/",
        "http://1.2.3.4.5/",
        "http://a.1/",
    ),
    *(f"http://example.com/{'a' * 9000}", f"http://{'a.' * 200}com/"),
)


@pytest.mark.parametrize(("text", "read"), READ.items())
def test_a_plain_url_is_read(text: str, read: str) -> None:
    assert str(parse_url(text)) == read


@pytest.mark.parametrize("text", REFUSED)
def test_what_two_readers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\bits?\b"):
        parse_url(text)


@pytest.mark.parametrize(
    ("prefix", "url", "matches"),
    [
        ("https://", "https://any.example/a", True),
        ("https://", "https://any.example:8443/a", False),
        ("https://", "http://any.example/a", False),
        ("https://example.com", "https://example.com/a", True),
        ("https://example.com", "https://example.com.evil.example/a", False),
        ("https://example.com/", "https://www.example.com/a", False),
        ("https://Example.com/photos/", "https://example.com/photos/a", True),
        ("https://example.com/photos", "https://example.com/photos-secret/a", False),
        ("https://example.com/photos/", "https://example.com/Photos/a", False),
        ("https://*.example.com", "https://a.b.example.com/", True),
        ("https://*.example.com", "https://example.com/", False),
        ("https://*.example.com", "https://evilexample.com/", False),
        ("http://example.com:8080", "http://example.com:8080/a", True),
        ("http://example.com:8080", "http://example.com/a", False),
        ("http://[::1]:8080", "http://[::1]:8080/a", True),
    ],
)
def test_a_prefix_matches_whole_hosts_and_whole_segments(prefix: str, url: str, matches: bool) -> None:  # noqa: FBT001  a column
    (allowed,), parsed = parse_prefixes(prefix), parse_url(url)

    assert allowed.matches(parsed.scheme, parsed.host, parsed.port, parsed.path) is matches


@pytest.mark.parametrize(
    "text", ["example.com", "https://a b/", "https://user@a/", "*", "https://*/", "ftp://a", "https://a:0/"]
)
def test_no_other_text_is_a_prefix(text: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|beginning|port"):
        parse_prefixes(text)


def test_a_bucket_matches_what_lies_in_its_folder() -> None:
    whole, folder = parse_buckets("s3://photos, gs://photos/public/")

    assert whole.matches("s3", "photos", "/a/b.jpg")
    assert not whole.matches("gs", "photos", "/a.jpg")
    assert not whole.matches("s3", "photos2", "/a.jpg")
    assert folder.matches("gs", "photos", "/public/a.jpg")
    assert not folder.matches("gs", "photos", "/publicity/a.jpg")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("width=8&source=file:a.jpg", "width=8&source=file:a.jpg"),
        ("source=https%3A%2F%2Fa%2Fb.jpg%3Fsig%3Dsecret&width=8", "source=https://a/b.jpg?%E2%80%A6&width=8"),
        ("source=https://me:secret@a/b", "source=https://%E2%80%A6@a/b"),
        ("source.logo=http://me:secret@a/b?secret", "source.logo=http://%E2%80%A6@a/b?%E2%80%A6"),
        ("source=ftp://me:secret@a/b", "source=%E2%80%A6"),
        ("width=8", "width=8"),
    ],
)
def test_a_log_shows_no_secret_of_a_source(query: str, shown: str) -> None:
    assert masked(query) == shown


def test_an_error_shows_no_secret_of_a_source() -> None:
    assert str(parse_source("https://me:secret@a/b?secret")) == "https://…@a/b?…"
