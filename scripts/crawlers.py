"""Makes src/client/crawlers.txt of the PyPI package crawler-user-agents: `crawlers.py > crawlers.txt`.

The package (MIT, https://github.com/monperrus/crawler-user-agents) lists crawlers, each with a regular expression, user
agents that were seen, and tags. Taken from it are facts: under which name each crawler goes, which names are one crawler.

A family is what the package lists as one crawler; entries that share a name, or of which one's name goes on behind
another's (Googlebot-Image behind Googlebot), are one family. It is called after the first of its entries.
"""

import importlib.metadata
import json
import re
from pathlib import Path

PACKAGE = "crawler-user-agents"
# These call what somebody told them to call: workers use HTTP libraries, and monitors are asked for.
TAGS_LEFT_OUT = {"http-library", "browser-automation", "monitoring"}

# Entries that are left out although their tags say nothing against them.
LEFT_OUT = {
    "the site's operator asked for it: webhooks, integrations, maintenance, certificates": """
        bitbucket-webhooks, blingerp, chargebeebot, cloudflare-custom-hostname-verification, cloudflare-stream-hook,
        cloudflare-stream-webhook, digicert dcv, easybill-importmanager, google-trust-services, gopay, ifttt, integromat,
        jumio, klaviyo, let's encrypt, mailchimp, mainwp, make, managewp, metorik, modularconnector, mollie http client,
        omnisend, paypal, potions, recurly webhooks, reelevant, retool, reward-gateway, sendgrid event api, sfdc-callout,
        shopify-captain-hook, shortpixel, snipcart, sora pos, sparkpost, sparkshipping, stape, stripe, svix-webhooks,
        trustly, twilioproxy, vaultpress, wjhro, wp time capsule, yokoygroupag, zapier, zendesk webhook""",
    "software that many run and that calls for each of them": """
        allorigins, appengine-google, commafeed, exodusmovement, fedoraplanet, fetch, fever, freshrss, google-apps-script,
        googledocs, hello world, imgproxy, indy library, linkace, magpierss, metainspector, miniflux, netapi, nextcloud,
        pywikibot, rss-parser, simplepie, snacktory, tiny tiny rss, virustotal, wordpress""",
    "a person's browser or app may say the same": """
        ap3a.240617.008, bluesky, capitaloneshopping, chrome privacy preserving prefetch proxy, cozi-icalendar-feedreader,
        current[ss]*rss reader, feeder, feeder.co, feedflow, genieo, goodreads, grammarly, instapaper, mail.ru,
        metaiab facebook, newsnow, notion, nuzzel, podimo, silk, tumblr, upday, viber, whatsapp""",
    "a word that says too little": """
        adventurer, charlotte, dlc, ds9, lcc, magellan, nitro-, odin, operator, optimizer, sonic, wayback""",
    "known by an address alone, which a browser's user agent may contain": """
        centuryb.o.t9, centurybot, contentkingapp, csirt.cz, europarchive.org, gdnplus.com,
        https://developers.cloudflare.com/security-center, linkarchiver, loc.gov/programs/web-archiving, mirrorweb.com,
        seewithkids, sitebulb, trentwil.es, tweetedtimes""",
}

# Names of entries whose expression does not find them: it finds an address, or too short a word.
NAMES = {
    "008": "008/0",
    "asana": "asana/1.4.0 websitemetadataretriever",
    "atom feed robot": "rssmicro.com rss/atom feed robot",
    "blackboard": "blackboard safeassign",
    "blogtraffic/d.d+ feed-fetcher": "blogtraffic",
    "butterfly": "butterfly/1",
    "buzzbot": "buzzbot",
    "bw": "bw/1",
    "cognitiveseo.com": "webcrawler http://cognitiveseo.com/bot.html",
    "contextualbot[ss]*outcomes.net": "contextualbot",
    "convera": "converacrawler",
    "crusty": "crusty/0",
    "daum": "daum/4",
    "deepcrawl": "mentalhealthleadbot",
    "developers.google.com/+/web/snippet": "google-pagerenderer, google (+https://developers.google.com/+/web/snippet",
    "devin": "devin/1",
    "domaincrawler": "cipacrawler",
    "exabot": "exabot, alexabot",
    "expanse": "expanse, a palo alto networks company",
    "ezooms": "ezooms",
    "feedly": "feedlybot, feedly/1.0 (+http://www.feedly.com/fetcher.html",
    "filterdb.iss.net/crawler": "obot",
    "findxbot": "findxbot",
    "grover": "grover/grover",
    "grub.org": "grub-client",
    "hubspot": "hubspot crawler, hubspot webcrawler, hubspot single page link check, hubspot connect",
    "hyscore.io": "hyscore",
    "lipperhey": "lipperhey",
    "mappydata": "mappy/1",
    "mlbot": "mlbot",
    "newsblur": "newsblur feed fetcher, newsblur page fetcher",
    "newsharecounts": "newsharecounts.com",
    "ning": "ning/1",
    "overcast": "overcast/1.0 podcast sync",
    "page2rss": "page2rss",
    "pinterest.com/bot": "pinterestbot, pinterest/0",
    "pocketcasts": "pocketcasts/1.0 (pocket casts feed parser",
    "readable": "readable/1",
    "s4a": "s4a/1",
    "seostar.co": "adsbot",
    "sempi.tech": "semanticbot",
    "siteexplorer.info": "siteexplorer",
    "smtbot": "smtbot",
    "sogou": """sogou web spider, sogou head spider, sogou inst spider, sogou news spider, sogou orion spider,
        sogou pic spider, sogou-test-spider, new-sogou-spider""",
    "speedy": "speedy spider",
    "summify": "summify",
    "synapse": "synapse (bot",
    "teoma": "ask jeeves/teoma",
    "terracotta": "terracotta https://github.com/ceramicteam",
    "tweakers": "tweakers image proxy",
    "urlappendbot": "urlappendbot",
    "valve/steam": "valve/steam http client 1.0 (steamchaturllookup",
    "verity": "verity/1",
    "voilabot": "voilabot",
    "webflow": "webflow 1.0",
    "wotbox": "wotbox",
    "wsm": "wsm/2",
    "xovibot": "xovibot",
    "yak": "yak/1",
    "yandex.com/bots": """yandexbot, yadirectfetcher, yandexaccessibilitybot, yandexadditional, yandexadditionalbot,
        yandexadnet, yandexblogs, yandexcalendar, yandexdirect, yandexdirectdyn, yandexfavicons, yandexfordomain,
        yandeximageresizer, yandeximages, yandexmarket, yandexmedia, yandexmetrika, yandexmobilebot,
        yandexmobilescreenshotbot, yandexnews, yandexontodb, yandexontodbapi, yandexpagechecker, yandexpartner,
        yandexrca, yandexrenderresourcesbot, yandexscreenshotbot, yandexsearchshop, yandexsitelinks, yandexspravbot,
        yandextracker, yandexturbo, yandexuserproxy, yandexverticals, yandexvertis, yandexvideo, yandexvideoparser,
        yandexwebmaster""",
    "yanga": "yanga worldsearch",
    "yeti": "yeti/1",
}

# More names of an entry: with an address that gives it away, or from the operator's own documentation.
MORE_NAMES = {
    "archive.org_bot": "special_archiver",
    "bingbot": "adidxbot",
    "linkdex": "linkdex.com/v2",
    "msnbot": "adidxbot, librabot",
    "omgili": "omgilibot",
    "perplexity-user": "perplexityuser",
    "semantic-visions": "semantic-visions.com crawler",
}

# Crawlers that the package does not have yet. Each has been seen: the user agents are among the test data of the PyPI
# package device-detector.
MORE_CRAWLERS = """easouspider, googleagent-search, kimibot, kimi-searchbot, kimi-user,
    mistralai-index, xai-bot"""

# Another operator's crawler, although its name goes on behind one.
OF_ITS_OWN = {"adsbot-google", "adsbot-iab"}


def words(text):
    """`a, b c` → [a, b c], but a comma inside a pair of brackets or of a name that has one stays."""
    return [" ".join(word.split()) for word in re.split(r",\s+(?!a palo)", text)]


SKIPPED = {name for names in LEFT_OUT.values() for name in words(names.strip())}


def label(entry):
    """What an entry is called here: its expression without the signs of one."""
    return re.sub(r"\\(.)", r"\1", entry["pattern"]).strip("^$/;() ").lower()


def is_crawler(entry):
    """Whether the entry is of a crawler, and of one that has been seen."""
    # What learns from a site is a crawler, even if it drives a browser for that.
    tags = set() if "ai-crawler" in entry["tags"] else set(entry["tags"]) & TAGS_LEFT_OUT
    return bool(entry["instances"]) and not tags and label(entry) not in SKIPPED


def names(entry):
    """The names of one crawler in lower case: what its expression finds, out to the ends of the words."""
    if label(entry) in NAMES:
        return words(NAMES[label(entry)])
    found = []
    for given in entry["instances"]:
        for match in re.finditer(entry["pattern"], given):
            start, end = match.span()
            while start < end and not given[start].isalnum():
                start += 1
            while start < end and not given[end - 1].isalnum():
                end -= 1
            while start and (given[start - 1].isalnum() or given[start - 1] in "-._"):
                start -= 1
            end = re.compile(r"([A-Za-z0-9]|\.(?=[A-Za-z]))*").match(given, end).end()
            name = given[start:end].lower()
            starts = start == 0 or given[start - 1] in " \t(;,\"'[{<|+"
            # Inside an address, it is none.
            if name and name[0].isalnum() and starts and given[end : end + 1] != "@" and name not in found:
                found.append(name)
    if not found:
        raise SystemExit(f"no name in {entry['pattern']}: {entry['instances'][0]}: put it into NAMES or LEFT_OUT")
    return found + words(MORE_NAMES[label(entry)]) if label(entry) in MORE_NAMES else found


def beginning(name, known):
    """The longest known name that this one goes on behind: googlebot for googlebot-image, but not google for google.com."""
    ends = [end for end in range(1, len(name)) if re.match(r"(?!\.?[a-z])[^a-z0-9@]", name[end:])]
    return next((name[:end] for end in reversed(ends) if name[:end] in known), None)


def families(entries):
    """{name: family}: what each name is counted as."""
    family_of, members = {}, {}

    def unite(names):
        known = dict.fromkeys(family_of[name] for name in names if name in family_of)
        family = next(iter(known), names[0])
        everyone = dict.fromkeys(name for other in known for name in members.pop(other)) | dict.fromkeys(names)
        members[family] = everyone
        family_of.update(dict.fromkeys(everyone, family))

    for entry in filter(is_crawler, entries):
        found = names(entry)
        shortest = found[0] if label(entry) in NAMES else min(found, key=lambda name: (len(name), name))
        first = label(entry) if label(entry) in found else shortest
        unite([first, *found])
    for name in words(MORE_CRAWLERS):
        unite([name])
    for longer in sorted(set(family_of) - OF_ITS_OWN):
        if shorter := beginning(longer, family_of):
            unite([shorter, longer])
    return family_of


def table(entries):
    """The lines of the table, in the order of bytes, without names that only go on behind one of the same family."""
    family_of = families(entries)
    for name, family in sorted(family_of.items()):
        if not (name.isascii() and name[0].isalnum() and name[-1].isalnum() and 3 <= len(name) <= 64):
            raise SystemExit(f"`{name}` cannot be looked up: put it into NAMES or LEFT_OUT")
        if family_of.get(beginning(name, family_of)) != family:
            yield name if name == family else f"{name}\t{family}"


def check_by_hand(entries):
    """Each decision above is about an entry that there is."""
    gone = (SKIPPED | set(NAMES) | set(MORE_NAMES)) - {label(entry) for entry in entries}
    if gone:
        raise SystemExit(f"no longer in {PACKAGE}: {', '.join(sorted(gone))}")
    come = set(words(MORE_CRAWLERS)) & {name for entry in entries if is_crawler(entry) for name in names(entry)}
    if come:
        raise SystemExit(f"in {PACKAGE} by now: {', '.join(sorted(come))}")


def data():
    """The package's data, wherever it is installed."""
    file = next(path for path in importlib.metadata.files(PACKAGE) if path.name == f"{PACKAGE}.json")
    return json.loads(Path(file.locate()).read_text(encoding="utf-8"))


if __name__ == "__main__":
    DATA = data()
    check_by_hand(DATA)
    print(f"# Made by scripts/update-crawlers of {PACKAGE} {importlib.metadata.version(PACKAGE)}: not to be edited.")
    print("# Names of crawlers, in order; behind a tab the family, if it is called otherwise.")
    print("\n".join(table(DATA)))
