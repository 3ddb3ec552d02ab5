"""A crawler is one client, however many addresses it calls from. A browser is none."""

from __future__ import annotations

import pytest

from harness.client import Client, Header, fresh_token, token

QUOTA = 3
POLICY = {
    "client": {"bots": {"acme": ["AcmeCrawler", "acme-images"], "initech": "InitechFetch"}},
    "scopes": {"bots": {"rate": f"{QUOTA}/h", "key": "bot", "match": {"client": "bot"}}},
    "response": {"ratelimit_headers": "draft"},
}

GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

# A user agent of each of these families, as their owners publish them.
CRAWLERS = {
    "Bing": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0;"
    " +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
    "Yandex": "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Baidu": "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "DuckDuckGo": "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Apple": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1"
    " Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "Facebook": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Ahrefs": "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Semrush": "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    # Of AI companies
    "OpenAI": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Anthropic": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0;"
    " +claudebot@anthropic.com)",
    "Perplexity": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0;"
    " +https://perplexity.ai/perplexitybot)",
    "Common Crawl": "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "ByteDance": "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36"
    " (compatible; Bytespider; spider-feedback@bytedance.com)",
    "Amazon": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Amazonbot/0.1;"
    " +https://developer.amazon.com/support/amazonbot) Chrome/119.0.6045.214 Safari/537.36",
    "Meta": "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
}

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"

# What people use; some have a crawler's name or maker in theirs.
BROWSERS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/131.0.0.0",
    f"Mozilla/5.0 (X11; Linux x86_64) {CHROME} Safari/537.36 OPR/116.0.0.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Safari/605.1.15",
    f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
    f"{IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
    f"{IPHONE} GSA/342.0.693598186 Mobile/15E148 Safari/604.1",  # Google's app
    f"{IPHONE} Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
    f"{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/490.0.0.52.108;FBBV/664800374;FBDV/iPhone14,5]",  # Facebook's app
    f"{IPHONE} Mobile/15E148 [Pinterest/iOS]",
    f"{IPHONE} Mobile/15E148 Instagram 361.0.0.33.83",
    f"{IPHONE} Mobile/15E148 BingSapphire/31.5.431027001",
    f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) {CHROME} Mobile Safari/537.36",  # a telephone
    f"Mozilla/5.0 (Linux; Android 11; CUBOT P50) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 13; SM-S901B) {CHROME} Mobile Safari/537.36 SamsungBrowser/27.0",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} YaBrowser/24.12.0.0 Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) coc_coc_browser/131.0 {CHROME} Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 12; V2055A) {CHROME} Mobile Safari/537.36 baiduboxapp/13.10.0.10 (Baidu; P1 12)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0; SE 2.X MetaSr 1.0) like Gecko",  # Sogou's browser
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36",
]


def agent(name: str) -> Header:
    return ("user-agent", name)


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    return open_shared_gate(POLICY)


def statuses(gate, agents: list[str]) -> list[int]:
    """Each from an address of its own."""
    found = []
    for name in agents:
        with Client(gate.port) as caller:
            found.append(caller.send("/", agent(name)).status)
    return found


@pytest.mark.parametrize("name", CRAWLERS.values(), ids=CRAWLERS.keys())
def test_a_family_shares_a_counter(gate, name):
    """And has one of its own."""
    assert statuses(gate, [name] * (QUOTA + 1)) == [200] * QUOTA + [429]


def test_its_versions_are_one_family(open_gate):
    agents = [
        GOOGLE,
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {CHROME} Mobile Safari/537.36 (compatible; Googlebot/2.1;"
        " +http://www.google.com/bot.html)",
        GOOGLE.replace("2.1", "9.9"),
    ]
    assert statuses(open_gate(POLICY), agents) == [200] * QUOTA + [429]


@pytest.mark.parametrize("name", BROWSERS)
def test_a_browser_is_no_bot(gate, name):
    with Client(gate.port) as caller:
        reply = caller.send("/", agent(name))
        assert reply.status == 200
        assert reply.headers["ratelimit"] is None  # the scope did not apply
        assert caller.statuses(QUOTA, "/", agent(name)) == {200: QUOTA}


UNKNOWN = ["", "-", "bot", "Mozilla/5.0", "robotics-catalogue/1.0", "abbott-app/2.1", "\xff\xfe bot"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_only_like_one(gate, name):
    """It is in no family: nothing says that all who call themselves so belong together."""
    with Client(gate.port) as caller:
        assert caller.send("/", agent(name)).headers["ratelimit"] is None


def test_without_an_agent(gate):
    with Client(gate.port) as caller:
        assert caller.statuses(QUOTA + 1) == {200: QUOTA + 1}


def test_additions(gate):
    acme = ["AcmeCrawler/1.0", "Mozilla/5.0 (compatible; AcmeCrawler/2.0)", "acme-images/7", "AcmeCrawler"]
    assert statuses(gate, acme) == [200] * QUOTA + [429]
    assert statuses(gate, ["InitechFetch/1.0"] * (QUOTA + 1)) == [200] * QUOTA + [429]


def test_additions_leave_the_others_alone(gate):
    assert statuses(gate, [GOOGLE] * (QUOTA + 1)) == [200] * QUOTA + [429]


def test_a_bot_is_anonymous_too(open_gate):
    """What it calls itself takes it out of no other scope, and a credential does not take it out of this one."""
    anon = {"rate": "2/h", "match": {"client": "anonymous"}, "key": "address"}
    humans = {"rate": "1/h", "match": {"not": {"client": "bot"}}, "key": "address"}
    gate = open_gate(POLICY | {"scopes": POLICY["scopes"] | {"anon": anon, "humans": humans}})
    with Client(gate.port) as caller:
        assert caller.statuses(3, "/", agent(GOOGLE)) == {200: 2, 429: 1}
    with Client(gate.port) as caller:
        assert caller.statuses(2, "/", agent(GOOGLE), token(fresh_token())) == {200: 1, 429: 1}
    with Client(gate.port) as caller:
        assert caller.statuses(2, "/", agent(BROWSERS[0])) == {200: 1, 429: 1}
