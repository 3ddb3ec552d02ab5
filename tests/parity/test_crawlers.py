"""The crawlers that are published, and none of the browsers that are."""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import crawlers  # noqa: E402  (needs the path)

AI_CRAWLERS = """GPTBot OAI-SearchBot ChatGPT-User ClaudeBot Claude-User Claude-SearchBot anthropic-ai PerplexityBot
    Perplexity-User CCBot Bytespider GoogleOther Amazonbot Applebot meta-externalagent meta-externalfetcher FacebookBot
    DuckAssistBot MistralAI-User cohere-ai Diffbot ImagesiftBot Omgilibot YouBot Timpibot PetalBot"""


def families(agents):
    """Tollgate's answer for each user agent: a family, or None."""
    command = ["cargo", "run", "--quiet", "--locked", "--example", "families"]
    lines = "".join(re.sub(r"[\r\n]", " ", agent) + "\n" for agent in agents)
    done = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(agents)
    return [None if answer == "-" else answer for answer in answers]


def files(package, pattern):
    """The texts of a package's data files."""
    return [path.locate().read_text("utf-8") for path in importlib.metadata.files(package) if path.match(pattern)]


@pytest.fixture(scope="module")
def entries():
    return crawlers.data()


@pytest.fixture(scope="module")
def answers(entries):
    """For each published entry, what its user agents are taken for."""
    agents = [agent for entry in entries for agent in entry["instances"]]
    found = iter(families(agents))
    return [(entry, [next(found) for _ in entry["instances"]]) for entry in entries]


def test_the_table_is_made_of_the_pinned_data(entries):
    crawlers.check_by_hand(entries)
    committed = (ROOT / "src/client/crawlers.txt").read_text("utf-8").splitlines()
    version = importlib.metadata.version(crawlers.PACKAGE)
    assert f"{crawlers.PACKAGE} {version}:" in committed[0]
    assert [line for line in committed if not line.startswith("#")] == list(crawlers.table(entries))


def test_published_crawlers_are_recognised(answers):
    found = [family for entry, families in answers if crawlers.is_crawler(entry) for family in families]
    assert len(found) > 1_500
    assert sum(family is not None for family in found) > 0.99 * len(found)


def test_what_is_left_out_by_hand_is_little(entries, answers):
    tagged = [entry for entry in entries if "ai-crawler" in entry["tags"] or not crawlers.TAGS_LEFT_OUT & set(entry["tags"])]
    kept = [entry for entry in tagged if entry["instances"] and crawlers.is_crawler(entry)]
    assert len(kept) > 0.85 * len([entry for entry in tagged if entry["instances"]])
    # And it stays out, unless a user agent names a second crawler.
    out = [family for entry, families in answers if entry["instances"] and entry not in kept for family in families]
    assert sum(family is not None for family in out) < 0.01 * len(out)


def test_all_of_one_crawler_is_one_family(answers):
    several = [
        (crawlers.label(entry), Counter(families))
        for entry, families in answers
        if crawlers.is_crawler(entry) and len(set(families)) > 1
    ]
    # These borrow each other's name, or another crawler's code.
    assert {name for name, _ in several} <= {"mediapartners-google", "nutch", "archive.org_bot", "archive-it"}, several


def test_the_crawlers_that_feed_models_each_by_its_name():
    names = AI_CRAWLERS.split() + ["facebookexternalhit"]
    agents = [f"Mozilla/5.0 (KHTML, like Gecko; compatible; {name}/1.0; +https://x.org)" for name in names]
    assert dict(zip(names, families(agents))) == {name: name.lower() for name in names} | {"Omgilibot": "omgili"}


def browsers():
    """User agents of browsers and apps on desktops, phones, tablets, televisions, consoles, watches and in cars."""
    for text in files("fake-useragent", "data/browsers.jsonl"):
        yield from (json.loads(line)["useragent"] for line in text.splitlines())
    for text in files("device-detector", "tests/fixtures/upstream/*.yml"):
        if re.search(r"^  bot:", text, re.M):
            continue
        for quoted in re.findall(r"^  user_agent: (.*\S)", text, re.M):
            yield quoted[1:-1].replace("''", "'") if quoted[0] in "'\"" else quoted


def test_a_browser_is_never_a_bot():
    agents = sorted(set(browsers()))
    assert len(agents) > 30_000
    taken = {agent: family for agent, family in zip(agents, families(agents)) if family}
    assert not taken


def test_a_program_that_somebody_runs_is_no_crawler():
    programs = """curl/8.11.0, python-requests/2.34.2, python-httpx/0.28.1, Go-http-client/2.0, okhttp/4.12.0, axios/1.7.9,
        Wget/1.21.4, Stripe/1.0 (+https://stripe.com/docs/webhooks), UptimeRobot/2.0, kube-probe/1.31""".split(",")
    assert families([program.strip() for program in programs]) == [None] * len(programs)
