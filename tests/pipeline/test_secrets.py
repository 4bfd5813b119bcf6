"""No password, key or token is committed: DVC's belong into .dvc/config.local, or the environment."""

from __future__ import annotations

import math
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from tests.conftest import REPOSITORY, tracked_files

# Options of DVC's remotes that hold a secret, or name the one whom a secret belongs to.
OPTIONS = (
    "access_key_id|secret_access_key|session_token|sse_customer_key|password|passphrase|token|connection_string"
    "|account_key|sas_token|client_secret|tenant_id|kerb_ticket|gdrive_client_secret|oss_key_id|oss_key_secret"
)
FORMS = {
    "an option of a DVC remote": re.compile(rf"^\s*(?:{OPTIONS})\s*=\s*\S", re.MULTILINE),
    "an access key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a token of GitHub": re.compile(r"\b(?:gh[pousr]_\w{36}|github_pat_\w{22})"),
    "a password in a URL": re.compile(
        # Servers of these names don't exist, or are the test's own.
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/:@]+@(?=\w)"
        r"(?!(?:[\w-]+\.)*(?:example(?:\.\w+)?|invalid|localhost|127\.0\.0\.1)\b)"
    ),
}
ASSIGNMENT = re.compile(
    r"(?:secret|passw(?:or)?d|token|api_?key|access_?key)\w*['\"]?\s*[:=]\s*['\"]([^'\"\s]{16,})['\"]", re.IGNORECASE
)
RANDOM = 3.5  # bits per character; words have less, keys in hexadecimal up to 4, in base 64 up to 6


def findings(name: str, text: str) -> Iterator[str]:
    """What in a file looks like a credential."""
    for form, pattern in FORMS.items():
        if form != "an option of a DVC remote" or name.startswith(".dvc/"):
            yield from (form for _ in pattern.finditer(text))
    for match in ASSIGNMENT.finditer(text):
        if entropy(match[1]) > RANDOM:
            yield "a value like a key"


def entropy(text: str) -> float:
    """Bits per character, by Shannon's formula on the frequencies of its characters."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def test_no_committed_file_holds_a_credential() -> None:
    found = []
    for name in tracked_files():
        text = (REPOSITORY / name).read_bytes().decode("utf-8", errors="ignore")
        found += [f"{name}: {form}" for form in findings(name, text)]
    assert found == [], "take them out, and make them invalid where they were good"


def test_git_ignores_the_file_of_secrets() -> None:
    command = ["git", "check-ignore", "--no-index", "--quiet", ".dvc/config.local"]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0


KEY = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=40))


# In pieces, so that this file holds none.
@pytest.mark.parametrize(
    ("form", "text"),
    [
        *(("an option of a DVC remote", f"['remote \"team\"']\n    {option} = x\n") for option in OPTIONS.split("|")),
        ("an access key of AWS", "AKIA" + KEY[:16].upper()),
        ("a private key", "-----BEGIN OPENSSH " + "PRIVATE KEY-----"),
        ("a token of GitHub", "ghp_" + KEY[:36]),
        ("a token of GitHub", "github_pat_" + KEY),
        ("a password in a URL", "https://ada:" + "lovelace@storage.net/team"),
        ("a value like a key", "secret_key = '" + KEY + "'"),
        ("a value like a key", '{"apiKey": "' + KEY[:20] + '"}'),
    ],
)
def test_each_form_would_be_found(form: str, text: str) -> None:
    assert set(findings(".dvc/config", text)) == {form}


@pytest.mark.parametrize(
    "text",
    [
        "url = s3://team/grayscale\nendpointurl = https://s3.example.org\nverify = True",
        "https://ada:" + "lovelace@example.org/team",
        "known_password = 'correct-correct-correct'",
        "ssh://ada@storage.net/team",
    ],
)
def test_what_is_no_secret_is_let_through(text: str) -> None:
    assert list(findings(".dvc/config", text)) == []
